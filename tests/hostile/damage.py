"""Ways in which a file can be other than it was written."""

import hypothesis
import hypothesis.strategies as st

# No time limit on a busy machine.
SETTINGS = hypothesis.settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[
        hypothesis.HealthCheck.function_scoped_fixture,
        hypothesis.HealthCheck.too_slow,
    ],
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw, content):
    """Bytes near `content`: cut, overwritten, lengthened, or others altogether."""
    kind = draw(st.sampled_from(["cut", "overwritten", "inserted", "doubled", "other"]))
    if kind == "other":
        return draw(st.binary(max_size=200))
    start = draw(st.integers(0, len(content)))
    stop = draw(st.integers(start, min(len(content), start + 40)))
    if kind == "cut":
        return content[:start]
    if kind == "doubled":
        return content[:stop] + content[start:]
    new = draw(st.binary(min_size=1, max_size=16))
    end = start if kind == "inserted" else start + len(new)
    return content[:start] + new + content[end:]


@st.composite
def with_foreign_value(draw, values):
    """A structure of JSON with one entry replaced, added or taken out."""
    place = draw(st.sampled_from(list(_places(values))))
    return _changed(values, place, draw)


def _places(value, path=()):
    yield path
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, entry in pairs:
            yield from _places(entry, (*path, key))


def _changed(value, path, draw):
    if not path:
        added = {draw(st.text(max_size=8)): draw(JSON)}
        if isinstance(value, dict) and draw(st.booleans()):
            return {**value, **added}
        return draw(JSON)
    key, *rest = path
    copy = value.copy()
    if not rest and isinstance(value, dict) and draw(st.booleans()):
        del copy[key]
    else:
        copy[key] = _changed(value[key], rest, draw)
    return copy
