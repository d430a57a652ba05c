from aaa import profiles
from aaa.on_nas import OnNas
from aaa.profiles import ProfileSpec
from core.db import Database
from nas_adapters.profile import Burst

FULL = ProfileSpec(
    code="home-50",
    download_bps=50_000_000,
    upload_bps=20_000_000,
    burst=Burst(80_000_000, 30_000_000, 40_000_000, 16),
    session_limit=1,
    at_limit="kick_oldest",
    session_timeout_s=2**32 - 1,
    interim_s=None,
    address_pool="pool-a",
    on_nas=OnNas(vlan=100, qos_profile="home-50"),
)


async def test_profiles_are_put_read_and_replaced_under_their_code(
    database: Database, tenant_id: int
) -> None:
    async with database.transaction(tenant_id) as tx:
        await profiles.put(tx, tenant_id, [FULL, ProfileSpec("bare")])
        stored = await profiles.all_of(tx)
        assert [profile.spec for profile in stored.values()] == [ProfileSpec("bare"), FULL]
        await profiles.put(tx, tenant_id, [ProfileSpec("home-50")])
        again = await profiles.all_of(tx, ["home-50", "none"])
        assert {code: profile.spec for code, profile in again.items()} == {
            "home-50": ProfileSpec("home-50")
        }
        assert again["home-50"].id == stored["home-50"].id
