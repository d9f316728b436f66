"""Every attempt carries its own proof of identity: one for the body it sends, or a fresh token."""

import re

import pytest
from botocore.auth import SigV4Auth  # type: ignore[import-untyped] # botocore has no types
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped] # botocore has no types
from botocore.credentials import Credentials  # type: ignore[import-untyped] # botocore has no types

from calls import MESSAGES, SURFACES, Witness, plugins
from platforms.clients import KEYS, PLATFORMS, REGION, call
from platforms.dialects import Seen
from platforms.gateway import Gateway
from seawall_testkit import Fault, Simulator

SIGNED = [name for name, platform in PLATFORMS.items() if platform.service]
TOKENS = [name for name, platform in PLATFORMS.items() if platform.tokens]
FAULTS = [Fault("reset", event=40)]


def enabled(witness: Witness) -> list[object]:
    return [*plugins(), witness]


def signature(seen: Seen, service: str) -> str:
    """What AWS would compute from the request as it came."""
    _, _, names = seen.headers["authorization"].partition("SignedHeaders=")
    headers = {name: seen.headers[name] for name in names.partition(",")[0].split(";")}
    url = f"http://{seen.headers['host']}{seen.path}"
    request = AWSRequest(method=seen.method, url=url, headers=headers, data=seen.content)
    request.context["timestamp"] = seen.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(KEYS["aws_access_key"], KEYS["aws_secret_key"]), service, REGION)
    wanted = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    return str(wanted)


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", SIGNED)
def test_every_attempt_is_signed_for_the_body_it_sends(
    name: str, mode: str, surface: str, witness: Witness
) -> None:
    platform = PLATFORMS[name]
    with Simulator(faults=FAULTS) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        call(platform, mode, surface, gateway, enabled(witness))
    assert len(gateway.seen) == 2
    for seen in gateway.seen:
        authorization = seen.headers["authorization"]
        assert re.match(rf"AWS4-HMAC-SHA256 Credential=\w+/\d+/{REGION}/{platform.service}/", authorization)
        assert authorization.endswith(f"Signature={signature(seen, platform.service)}")


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", TOKENS)
def test_every_attempt_asks_for_a_token(name: str, mode: str, surface: str, witness: Witness) -> None:
    platform = PLATFORMS[name]
    with Simulator(faults=FAULTS) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        call(platform, mode, surface, gateway, enabled(witness))
    assert tuple(seen.headers["authorization"] for seen in gateway.seen) == platform.tokens


KEYED = {
    "Bedrock": ({"api_key": "k", "aws_region": REGION}, ("authorization", "Bearer k")),
    "BedrockMantle": ({"api_key": "k", "aws_region": REGION}, ("authorization", "Bearer k")),
    "Vertex": (
        {"access_token": "t", "region": "europe-west1", "project_id": "harbour"},
        ("authorization", "Bearer t"),
    ),
    "Foundry": ({"api_key": "k"}, ("x-api-key", "k")),
    "AWS": ({"api_key": "k", "aws_region": REGION, "workspace_id": "w"}, ("authorization", "Bearer k")),
}


@pytest.mark.parametrize(("mode", "surface"), SURFACES)
@pytest.mark.parametrize("name", KEYED)
def test_a_fixed_key_is_sent_with_every_attempt(name: str, mode: str, surface: str, witness: Witness) -> None:
    arguments, (header, value) = KEYED[name]
    platform = PLATFORMS[name].with_arguments(arguments)
    with Simulator(faults=FAULTS) as simulator, Gateway(platform.dialect(), simulator) as gateway:
        got = call(platform, mode, surface, gateway, enabled(witness))
        assert got.text == simulator.text_for(MESSAGES)
    assert [seen.headers[header] for seen in gateway.seen] == [value, value]
