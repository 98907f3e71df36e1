"""Private tables: a schema that is public, and a generator of its rows."""

from keras_dpgan.tables.bounds import private_bounds as private_bounds
from keras_dpgan.tables.columns import Boolean as Boolean
from keras_dpgan.tables.columns import Categorical as Categorical
from keras_dpgan.tables.columns import Datetime as Datetime
from keras_dpgan.tables.columns import Numeric as Numeric
from keras_dpgan.tables.draft import draft_schema as draft_schema
from keras_dpgan.tables.exported import ExportedTable as ExportedTable
from keras_dpgan.tables.generator import TableGenerator as TableGenerator
from keras_dpgan.tables.schema import TableSchema as TableSchema
