"""The script around a step in Lua holds what the step needs."""

from seawall.state import leases
from seawall.state.documents import Step
from seawall.state.lua_script import framed
from seawall_testkit.stores import COUNT, new_key

_ODD = """
local function one() return 1 end
local function two()
  return 2
end
local function unused()

  return two()
end
local three = function()
  return 3
end
return document, one() + two() + three()
"""


def test_functions_that_nobody_calls_are_left_out_and_what_only_they_call():
    script = framed(f"{leases.LUA}\nrelease(document, arguments.owner)\nreturn document, nil")
    assert [name for name in ("release", "ended", "sum") if f"local function {name}(" not in script] == []
    unused = ("grant", "renew", "adjust", "expire", "given", "held", "sorted_keys")
    assert [name for name in unused if f"local function {name}(" in script] == []


def test_what_is_not_written_as_a_function_is_stays(redis):
    assert "unused" not in framed(_ODD)
    assert redis.step(Step("odd", COUNT.function, _ODD), key=new_key()) == 6


def test_what_is_text_stays(redis):
    function = "local function f()\nend\n"
    for text in (f"[[{function}]]", f"[==[\n{function}]==]"):
        step = Step("text", COUNT.function, f"{function}local text = {text}\nreturn document, text")
        assert redis.step(step, key=new_key()) == function
