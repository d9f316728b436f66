"""Which plugins there are, which of them run, and what is refused before anything is sent."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
import pytest

import seawall
from seawall import ConfigError, GiveUp, Retry, hookimpl
from seawall.call import Attempt, Call
from seawall.registry import (
    STANDARD,
    configured_folder,
    configured_store,
    enabled,
    installed,
    instances,
    load,
    manager_of,
    name_of,
)
from seawall.settings import Configuration
from seawall.state import READ, MemoryStore, SQLiteStore, Step
from seawall_backoff import Backoff
from seawall_streaming import Streaming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Install = Callable[..., None]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and no variables of ours."""
    for variable in list(os.environ):
        if variable.upper().startswith("SEAWALL_"):
            monkeypatch.delenv(variable)
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution with one plugin where Python looks for such."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    known = set(sys.modules)

    def install(
        distribution: str, plugin: str, target: str, source: str = "", metadata: str | None = None
    ) -> None:
        module = target.partition(":")[0]
        if source:
            (site / f"{module}.py").write_text(source)
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "entry_points.txt").write_text(f"[seawall]\n{plugin} = {target}\n")
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        (info / "METADATA").write_text(metadata)

    yield install
    for name in set(sys.modules) - known:
        del sys.modules[name]


GUARD = """
from pydantic import BaseModel
from seawall import hookimpl

class GuardSettings(BaseModel, extra="forbid"):
    note: str = "none"

class Guard:
    Settings = GuardSettings
    def __init__(self, settings):
        self.settings = settings
    @hookimpl
    def on_error(self, call, error):
        pass
"""


def refusal(arguments: Any = None, plugins: Any = None) -> str:
    """The message of the `ConfigError` with which everything is refused."""
    with pytest.raises(ConfigError) as caught:
        load(Configuration(arguments), plugins)
    return str(caught.value)


# -- which plugins run


def test_a_plugin_that_is_installed_or_removed_while_the_process_runs_is_noticed(
    here: Path, install: Install
) -> None:
    before = set(installed())
    install("acme-guard", "guard", "guard_mod:Guard", GUARD)
    assert set(installed()) - before == {"guard"}
    (info,) = (here.parent / "site").glob("*.dist-info")
    shutil.rmtree(info)
    assert set(installed()) == before


def test_nothing_configured_runs_the_five_standard_plugins_in_order() -> None:
    assert list(instances()) == ["streaming", "backoff", "tokens", "progress", "files"]


def test_a_standard_plugin_that_is_not_installed_is_not_missed() -> None:
    there = {name: plugin for name, plugin in installed().items() if name != "tokens"}
    assert enabled(there) == ["streaming", "backoff", "progress", "files"]


def test_plugins_enables_and_orders(here: Path) -> None:
    (here / "seawall.toml").write_text('plugins = ["files", "backoff"]')
    assert list(instances()) == ["files", "backoff"]


def test_an_empty_list_enables_none(here: Path) -> None:
    (here / "seawall.toml").write_text("plugins = []")
    assert instances() == {}


def test_installed_lists_the_standard_plugins_first_and_others_by_name(install: Install) -> None:
    install("z-dist", "zeta", "z_mod:Guard")
    install("a-dist", "alpha", "a_mod:Guard")
    assert (installed()["alpha"].distribution, installed()["alpha"].version) == ("a-dist", "1.0")
    assert list(installed()) == [*STANDARD, "testkit", "alpha", "zeta"]


def test_a_third_party_plugin_runs_only_when_it_is_named(install: Install) -> None:
    install("guard-dist", "guard", "guard_mod:Guard", GUARD)
    assert list(instances()) == list(STANDARD)
    assert list(instances(Configuration({"plugins": ["guard"]}))) == ["guard"]


def test_a_third_party_plugin_that_is_not_named_is_not_even_imported(install: Install) -> None:
    install("guard-dist", "guard", "guard_mod:Guard", "raise RuntimeError")
    assert list(instances()) == list(STANDARD)


def test_a_third_party_plugin_gets_its_own_table(
    install: Install, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("guard-dist", "guard", "guard_mod:Guard", GUARD)
    (here / "seawall.toml").write_text('plugins = ["guard"]\n[guard]\nnote = "file"')
    plugin: Any = instances()["guard"]
    assert plugin.settings.note == "file"
    monkeypatch.setenv("SEAWALL_GUARD__NOTE", "variable")
    plugin = instances()["guard"]
    assert plugin.settings.note == "variable"


def test_a_table_of_an_installed_plugin_that_does_not_run_is_fine(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "seawall.toml").write_text(
        'plugins = ["backoff"]\n[streaming]\nenforce_above = 1\n[testkit]\nx = 1'
    )
    monkeypatch.setenv("SEAWALL_TOKENS__X", "1")
    assert list(instances()) == ["backoff"]


def test_plugins_given_to_protect_override_files_and_environment(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "seawall.toml").write_text('plugins = ["tokens"]')
    monkeypatch.setenv("SEAWALL_PLUGINS", '["files"]')
    assert list(instances()) == ["files"]
    assert list(instances(Configuration({"plugins": ["progress"]}), ["streaming"])) == ["streaming"]


def test_names_and_instances_mix_and_keep_their_order() -> None:
    mine = Streaming()
    found = instances(Configuration({"backoff": {"max_attempts": 3}}), ["files", mine, "backoff"])
    assert list(found) == ["files", "Streaming", "backoff"]
    assert found["Streaming"] is mine
    assert isinstance(found["backoff"], Backoff)


def test_plugins_may_come_from_an_iterator() -> None:
    assert list(instances(plugins=iter(["files", "backoff"]))) == ["files", "backoff"]  # type: ignore[arg-type]


def test_an_instance_is_called_by_its_name_or_else_by_its_class() -> None:
    class Guard:
        name = "my guard"

    assert name_of(Guard()) == "my guard"
    assert name_of(Streaming()) == "Streaming"


def retries(hooks: Any) -> int:
    """After how many attempts the plugin `backoff` gives up."""
    (hook,) = hooks.on_error
    call = Call(id="c", params={}, stream=False)
    for number in range(1, 100):
        call.attempts.append(Attempt(number, "send"))
        decision = hook.function(
            call, anthropic.APIConnectionError(request=httpx2.Request("POST", "http://x"))
        )
        if isinstance(decision, GiveUp):
            return number
        assert isinstance(decision, Retry)
    raise AssertionError


def test_two_sets_of_hooks_hold_different_settings_of_one_plugin() -> None:
    few, many = (load(Configuration({"backoff": {"max_attempts": n}}), ["backoff"]) for n in (2, 5))
    assert (retries(few), retries(many), retries(few)) == (2, 5, 2)


def test_two_clients_in_one_process_retry_as_each_was_configured() -> None:
    sends: list[str] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        sends.append(request.url.host)
        return httpx2.Response(500)

    for host, attempts in (("few", 2), ("many", 4)):
        http_client = httpx2.Client(transport=httpx2.MockTransport(refuse))
        bare = anthropic.Anthropic(api_key="k", base_url=f"http://{host}", http_client=http_client)
        settings = {"plugins": ["backoff"], "backoff": {"max_attempts": attempts, "cap": 1e-9}}
        with seawall.protect(bare, settings=settings) as client, pytest.raises(anthropic.InternalServerError):
            client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert sends == ["few"] * 2 + ["many"] * 4


# -- names that are wrong


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ('["bakoff"]', "no plugin 'bakoff' is installed; did you mean 'backoff'?"),
        (
            '["qqq"]',
            "no plugin 'qqq' is installed; valid here: backoff, files, progress, streaming, testkit, tokens",
        ),
        ('["backoff", "files", "backoff"]', "'backoff' is there twice"),
    ],
)
def test_a_wrong_name_in_plugins_names_the_source(
    names: str, expected: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = here / "seawall.toml"
    file.write_text(f"plugins = {names}")
    assert refusal() == f"{file}: plugins: {expected}"
    file.unlink()
    monkeypatch.setenv("SEAWALL_PLUGINS", names)
    assert refusal() == f"variable SEAWALL_PLUGINS: plugins: {expected}"


@pytest.mark.parametrize(
    ("plugins", "expected"),
    [
        (["bakoff"], "plugins: no plugin 'bakoff' is installed; did you mean 'backoff'?"),
        (["backoff", "backoff"], "plugins: 'backoff' is there twice"),
        (
            [Backoff(), Backoff()],
            "plugins: 'Backoff' is there twice; give one of the two an attribute `name` of its own",
        ),
        ([Backoff], "plugins: Backoff is a class; give its name or an instance"),
        ("backoff", "plugins = 'backoff': a list is expected"),
        (3, "plugins = 3: a list is expected"),
    ],
)
def test_a_wrong_entry_given_to_protect_is_not_blamed_on_a_file(
    plugins: Any, expected: str, here: Path
) -> None:
    (here / "seawall.toml").write_text('plugins = ["files"]')
    assert refusal(None, plugins) == f"plugins given to protect(): {expected}"


def test_a_standard_plugin_that_is_not_installed_says_how_to_install_it() -> None:
    there = {name: plugin for name, plugin in installed().items() if name != "tokens"}
    with pytest.raises(ConfigError) as caught:
        enabled(there, Configuration({"plugins": ["tokens"]}))
    assert str(caught.value) == (
        "settings given to protect(): plugins: no plugin 'tokens' is installed; install it: "
        "pip install seawall-tokens"
    )


@pytest.mark.parametrize("plugins", [None, ["backoff"]])
def test_a_table_of_no_plugin_is_refused_however_plugins_are_chosen(plugins: Any, here: Path) -> None:
    file = here / "seawall.toml"
    file.write_text("[bakoff]\nbase = 1.0")
    assert refusal(None, plugins) == f"{file}: unknown setting 'bakoff'; did you mean 'backoff'?"


def test_a_plugin_without_settings_takes_none(here: Path) -> None:
    file = here / "seawall.toml"
    file.write_text("plugins = ['testkit']\n[testkit]\nbudget = 1")
    assert refusal() == f"{file}: unknown setting 'testkit.budget'; nothing can be set here"


# -- distributions that are wrong

OTHER = "it wants another version of Seawall: upgrade guard-dist and seawall-core"
WRITTEN = "it is written for version {} of the plugin API, and this Seawall has version 1"


@pytest.mark.parametrize(
    ("target", "source", "expected"),
    [
        (
            "guard_mod:Guard",
            "import no_x",
            "cannot be loaded: ModuleNotFoundError: No module named 'no_x'; install what guard-dist needs",
        ),
        (
            "guard_mod:Guard",
            "from seawall import Postpone",
            f"cannot be loaded: ImportError: cannot import name 'Postpone' from 'seawall' (FILE); {OTHER}",
        ),
        ("guard_mod:Guard", "1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        (
            "guard_mod:Guard",
            "",
            "cannot be loaded: ModuleNotFoundError: No module named 'guard_mod'; reinstall guard-dist",
        ),
        (
            "guard_mod.inner:Guard",
            "",
            "cannot be loaded: ModuleNotFoundError: No module named 'guard_mod'; reinstall guard-dist",
        ),
        (
            "guard_mod:Guard",
            "x = 1",
            "cannot be loaded: AttributeError: module 'guard_mod' has no attribute 'Guard'",
        ),
        ("guard_mod:guard", "guard = 3", "its entry point names 'guard_mod:guard', which is no class"),
        ("guard_mod", "x = 1", "its entry point names 'guard_mod', which is no class"),
        ("guard-mod:Guard", "", "its entry point names 'guard-mod:Guard'; module:Class is expected"),
        ("guard_mod:", "", "its entry point names 'guard_mod:'; module:Class is expected"),
        ("guard_mod:Guard", "raise SystemExit('no\\nkey')", "cannot be loaded: SystemExit: no key"),
        (
            "guard_mod:Guard",
            "class Guard:\n  def __init__(self): raise SystemExit(3)",
            "cannot be made: SystemExit: 3",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  Settings = dict",
            "its Settings are no pydantic model: <class 'dict'>",
        ),
        ("guard_mod:Guard", "class Guard:\n  Settings = 3", "its Settings are no pydantic model: 3"),
        (
            "guard_mod:Guard",
            "class Guard:\n  seawall_api = 2",
            f"{WRITTEN.format(2)}; upgrade seawall-core",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  seawall_api = 0",
            f"{WRITTEN.format(0)}; upgrade the plugin",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  seawall_api = 2\n  def __init__(self): raise OSError('a later core has more')",
            f"{WRITTEN.format(2)}; upgrade seawall-core",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  seawall_api = True",
            "seawall_api = True: the number of an API version is expected, such as 1",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  seawall_api = '1.0'",
            "seawall_api = '1.0': the number of an API version is expected, such as 1",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  def __init__(self): raise OSError('no disk')",
            "cannot be made: OSError: no disk",
        ),
        (
            "guard_mod:Guard",
            "class Guard:\n  def __init__(self, settings): pass",
            "cannot be made: TypeError: Guard.__init__() missing 1 required positional argument: 'settings'",
        ),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_made_names_itself_and_its_distribution(
    target: str, source: str, expected: str, install: Install
) -> None:
    install("guard-dist", "guard", target, source)
    message = refusal({"plugins": ["guard"]}).replace(str(seawall.__file__), "FILE")
    assert message.removeprefix("plugin 'guard' of distribution 'guard-dist'").lstrip(": ") == expected
    assert message.startswith("plugin 'guard' of distribution 'guard-dist'")


def test_two_distributions_with_one_plugin_name_are_refused(install: Install) -> None:
    install("first-dist", "guard", "guard_mod:Guard", GUARD)
    install("second-dist", "guard", "guard_mod:Guard")
    expected = "distributions 'first-dist' and 'second-dist' both have a plugin 'guard'; uninstall one"
    assert refusal() == expected


def test_a_plugin_with_the_name_of_a_setting_is_refused_where_it_is_enabled(install: Install) -> None:
    install("state-dist", "state", "guard_mod:Guard", GUARD)
    expected = "has the name of a setting of the core: it needs another entry point"
    assert refusal({"plugins": ["state"]}) == f"plugin 'state' of distribution 'state-dist' {expected}"
    load(Configuration({"plugins": ["backoff"]}))


def test_what_a_broken_uninstall_left_behind_is_listed_as_unknown(install: Install) -> None:
    install("guard-dist", "guard", "guard_mod:Guard", metadata="")
    assert (installed()["guard"].distribution, installed()["guard"].version) == ("unknown", "unknown")


# -- hook implementations that are wrong


class Wrapper:
    @hookimpl(wrapper=True)
    def on_error(self, call: Any, error: Any) -> Any:
        return (yield)


class OldWrapper:
    @hookimpl(hookwrapper=True)
    def on_error(self, call: Any, error: Any) -> Any:
        yield


class Generates:
    @hookimpl
    def on_chunk(self, call: Any, chunk: Any) -> Any:
        yield


class Async:
    @hookimpl
    async def on_chunk(self, call: Any, chunk: Any) -> None: ...


class AsyncGenerator:
    @hookimpl
    async def pre_request(self, call: Any) -> Any:
        yield


class AsyncUnderAnotherName:
    @hookimpl(specname="post_response")
    async def record(self, call: Any, outcome: Any) -> None: ...


class NoHook:
    def on_chunk(self, call: Any, chunk: Any) -> None: ...


class UnknownHook:
    @hookimpl
    def on_chunks(self, call: Any) -> None: ...


class UnknownArgument:
    @hookimpl
    def on_chunk(self, call: Any, chunks: Any) -> None: ...


class WithDefault:
    @hookimpl
    def on_error(self, call: Any, error: Any = None) -> None: ...


class Keyword:
    @hookimpl
    def on_error(self, *, call: Any) -> None: ...


class Everything:
    @hookimpl
    def on_error(self, *args: Any) -> None: ...


class EveryKeyword:
    @hookimpl
    def on_error(self, **kwargs: Any) -> None: ...


class Unmarked(Backoff):
    def on_error(self, call: Any, error: Any) -> Any:
        return super().on_error(call, error)


class NoSelf:
    @hookimpl
    def pre_request(call: Any) -> None: ...  # noqa: N805 - its mistake


class OfAnotherName:
    """Rightly: the hook is there, and the method of its name only helps it."""

    def on_error(self) -> None: ...

    @hookimpl(specname="on_error")
    def decide(self, call: Any) -> None: ...


ASYNC = "is async; a hook is a plain function, and work that may block is answered as `Offload`"
COMPLAINTS = [
    (Wrapper, "on_error is a wrapper; hooks decide, they do not wrap each other"),
    (OldWrapper, "on_error is a wrapper; hooks decide, they do not wrap each other"),
    (Generates, "on_chunk is a generator; a hook returns its decision"),
    (Async, f"on_chunk {ASYNC}"),
    (AsyncGenerator, f"pre_request {ASYNC}"),
    (AsyncUnderAnotherName, f"post_response {ASYNC}"),
    (NoHook, "it implements no hook; mark its methods with @seawall.hookimpl"),
    (
        Unmarked,
        "on_error is called like a hook and not marked; put @seawall.hookimpl above it, or rename it",
    ),
    (NoSelf, "pre_request takes 'call' where self belongs"),
    (UnknownHook, "there is no hook 'on_chunks'; did you mean 'on_chunk'?"),
    (UnknownArgument, "on_chunk takes 'chunks', which this hook does not give; did you mean 'chunk'?"),
    (WithDefault, "on_error takes 'error' with a default or as a keyword; take it as a plain argument"),
    (Keyword, "on_error takes 'call' with a default or as a keyword; take it as a plain argument"),
    (Everything, "on_error takes *args; name the arguments it uses: call, error"),
    (EveryKeyword, "on_error takes **kwargs; name the arguments it uses: call, error"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "expected"), COMPLAINTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_hook_implementation_that_cannot_be_called_is_refused_at_start(kind: type, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        manager_of({"good": Streaming(), "guard": kind()})
    assert str(caught.value) == f"plugin 'guard' ({kind.__module__}.{kind.__qualname__}): {expected}"


def test_a_method_that_is_called_like_a_hook_of_another_method_fits() -> None:
    assert list(manager_of({"guard": OfAnotherName()}).get_plugins())


def test_a_refused_installed_plugin_names_its_distribution(install: Install) -> None:
    source = "from seawall import hookimpl\nclass Guard:\n  @hookimpl\n  async def on_chunk(self, call): ..."
    install("guard-dist", "guard", "guard_mod:Guard", source)
    assert refusal({"plugins": ["guard"]}).startswith(
        "plugin 'guard' of distribution 'guard-dist': on_chunk is async; "
    )


def test_an_instance_written_for_another_version_of_the_api_is_refused() -> None:
    class Guard(Backoff):
        seawall_api = seawall.API_VERSION + 1

    assert refusal(None, [Guard()]) == (
        f"plugin 'Guard' ({Guard.__module__}.{Guard.__qualname__}): {WRITTEN.format(2)}; upgrade seawall-core"
    )


def test_every_plugin_shipped_says_for_which_version_of_the_api_it_is_written() -> None:
    said = {name: vars(plugin.load()).get("seawall_api") for name, plugin in installed().items()}
    assert said == dict.fromkeys([*STANDARD, "testkit"], seawall.API_VERSION)


def test_an_instance_that_is_called_like_an_installed_plugin_is_not_taken_for_it(install: Install) -> None:
    install("guard-dist", "guard", "guard_mod:Guard", "raise RuntimeError")
    mine = NoHook()
    mine.name = "guard"  # type: ignore[attr-defined]
    assert refusal(None, [mine]).startswith(f"plugin 'guard' ({NoHook.__module__}.NoHook): ")


def test_two_plugins_that_are_equal_do_not_fit() -> None:
    class Equal(Backoff):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        __hash__ = None  # type: ignore[assignment]

    said = "it is equal to plugin 'two', and cannot be told from it; a dataclass needs eq=False"
    assert refusal(None, [Equal("one"), Equal("two")]).endswith(f"plugin 'one' ({told_of(Equal)}): {said}")


class Looked(Backoff):
    """Of which the subclasses do not like to be looked at."""


class NamedByMethod(Looked):
    def name(self) -> str:
        return "guard"


class Nameless(Looked):
    name = ""


class RaisesName(Looked):
    @property
    def name(self) -> str:
        raise LookupError("not yet")


class RaisesAll(Looked):
    def __getattr__(self, name: str) -> Any:
        raise LookupError(f"no {name}")


class RaisesRequired(Looked):
    @property
    def required(self) -> bool:
        raise LookupError("not yet")


class RaisesVersion(Looked):
    @property
    def seawall_api(self) -> int:  # type: ignore[override]
        raise LookupError("not yet")


class RaisesDir(Looked):
    def __dir__(self) -> list[str]:
        raise LookupError("not yet")


class RaisesEqual(Looked):
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        raise LookupError("not yet")


class RequiredByWord(Looked):
    required = "no"


LOOKED = [
    (NamedByMethod, "{plugin}: name = <bound method NamedByMethod.name of "),
    (Nameless, "{plugin}: name = '': a text is expected"),
    (RaisesName, "{plugin}: its `name` cannot be read: LookupError: not yet"),
    (RaisesAll, "{plugin}: its `name` cannot be read: LookupError: no name"),
    (RaisesRequired, "{instance} cannot be looked at: LookupError: not yet"),
    (RaisesVersion, "{instance} cannot be looked at: LookupError: not yet"),
    (RaisesDir, "{instance} cannot be looked at: LookupError: not yet"),
    (RaisesEqual, "{instance} cannot be looked at: LookupError: not yet"),
    (RequiredByWord, "{instance}: required = 'no': True or False is expected"),
]


@pytest.mark.parametrize(("kind", "expected"), LOOKED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_plugin_that_cannot_be_looked_at_is_refused_by_its_class(kind: type, expected: str) -> None:
    where = told_of(kind)
    said = expected.format(plugin=f"plugin {where}", instance=f"plugin {kind.__name__!r} ({where})")
    assert refusal(None, [kind(), Streaming()]).startswith(said)


def test_a_class_with_a_property_for_its_name_is_refused_as_a_class() -> None:
    assert "RaisesName is a class; give its name or an instance" in refusal(None, [RaisesName])


def told_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def test_an_implementation_of_a_hook_of_a_later_version_may_be_optional() -> None:
    class Guard(Backoff):
        @hookimpl(optionalhook=True)
        def on_something_new(self, call: Any) -> None: ...

    assert manager_of({"guard": Guard()}).has_plugin("guard")


def test_a_module_may_be_a_plugin(install: Install) -> None:
    install(
        "m-dist",
        "m",
        "m_mod",
        "from seawall import hookimpl\nname = 'm'\n@hookimpl\ndef on_error(error): pass",
    )
    module = __import__("m_mod")
    assert [hook.plugin for hook in load(plugins=[module]).on_error] == ["m"]


def test_the_settings_of_the_plugins_shipped_refuse_unknown_keys() -> None:
    for plugin in installed().values():
        model = getattr(plugin.load(), "Settings", None)
        assert model is None or model.model_config["extra"] == "forbid", plugin.name


# -- the shared store

SET = Step("set", lambda _, arguments: (arguments["value"], None))


def test_the_store_is_a_file_of_this_machine_unless_something_else_is_configured(here: Path) -> None:
    store = configured_store(Configuration({"state_dir": str(here / "state")}))
    assert isinstance(store, SQLiteStore)
    assert store.path == here / "state" / "state.sqlite"
    assert isinstance(configured_store(Configuration({"state": "memory"})), MemoryStore)


@pytest.mark.parametrize("said", [".state", "~/.state"])
def test_a_folder_is_the_same_one_wherever_its_settings_are_read(
    said: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "seawall.toml").write_text(f'state_dir = "{said}"')
    (here / "below").mkdir()
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.setenv("USERPROFILE", str(here / "home"))
    there = here / said.replace("~", "home")
    assert configured_folder() == there
    monkeypatch.chdir(here / "below")
    assert configured_folder() == there
    # a program may change its folder later
    relative = {"state_dir": "mine"}
    assert configured_folder(Configuration(relative)) == here / "below" / "mine"


def test_the_same_settings_give_the_same_store(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAWALL_STATE", "memory")
    configured_store().step(SET, key="a key of this test", value={"n": 1})
    assert configured_store(Configuration({"state": "memory"})).step(READ, key="a key of this test") == {
        "n": 1
    }
    assert (
        configured_store(Configuration({"state": "sqlite", "state_dir": str(here)})) is not configured_store()
    )


@pytest.mark.parametrize("value", ["postgres", "", "redis:/x", "SQLITE"])
def test_a_store_that_does_not_exist_is_an_error_that_names_its_source(value: str, here: Path) -> None:
    (here / "seawall.toml").write_text(f'state = "{value}"')
    with pytest.raises(ConfigError) as caught:
        configured_store()
    assert str(caught.value) == (
        f"{here / 'seawall.toml'}: state = {value!r}: "
        '"memory", "sqlite" or "redis://host:port/number" is expected'
    )


def test_a_password_in_the_address_of_a_store_is_not_told(here: Path) -> None:
    (here / "seawall.toml").write_text('state = "redis://:hunter2@host:port/0"')
    with pytest.raises(ConfigError) as caught:
        configured_store()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("state", 3), ("state_dir", [1])])
def test_a_setting_of_the_store_has_its_type(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"settings given to protect\\(\\): {key} = "):
        configured_store(Configuration({key: value}))
