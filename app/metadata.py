"""Every table there is: importing this module fills `metadata`, for migrations and their test."""

from aaa import enforcement_models as _enforcement
from aaa import models as _aaa
from aaa import pools_models as _pools
from accounting import models as _accounting
from core import changes as _changes
from core import key_check as _key_check
from core import tenancy as _tenancy
from core.db import Base
from nas_adapters import api_models as _nas_apis
from nas_adapters import models as _nas_adapters

MODELS = (
    _tenancy,
    _changes,
    _key_check,
    _nas_adapters,
    _nas_apis,
    _accounting,
    _aaa,
    _pools,
    _enforcement,
)

metadata = Base.metadata
