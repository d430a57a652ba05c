"""From settings to objects that several parts of `app` build alike."""

from aaa.rendering import Renderer
from core.config import Settings
from dictionaries.definitions import Dictionary
from nas_adapters.profile import ServiceProfile


def renderer(settings: Settings, dictionary: Dictionary) -> Renderer:
    """A renderer with the walled garden of the settings."""
    garden = settings.policy.walled_garden
    return Renderer(
        dictionary,
        ServiceProfile(
            download_bps=garden.download,
            upload_bps=garden.upload,
            address_pool=garden.address_pool,
            filter_id=garden.filter_id,
            redirect_url=garden.redirect_url,
        ),
    )
