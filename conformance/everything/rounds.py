"""The tools that ask before they answer, in one round or in several."""

from typing import Final

import mcp_types as types
from conformance.everything.call import Call, Question, form, said, sampling
from conformance.everything.tools import Result, Tool

NAME: Final = {"type": "string"}


def name_question() -> Question:
    return form("What is your name?", name=NAME)


async def ask_name(call: Call) -> Result:
    answers = await call.ask({"user_name": name_question()})
    if isinstance(answers, types.InputRequiredResult):
        return answers
    content = answers["user_name"].content or {}
    return said(f"Hello, {content.get('name', 'whoever you are')}!")


async def ask_model(call: Call) -> Result:
    answers = await call.ask({"capital_question": sampling("What is the capital of France?")})
    if isinstance(answers, types.InputRequiredResult):
        return answers
    return said(answers["capital_question"].content.text)


async def ask_roots(call: Call) -> Result:
    answers = await call.ask({"client_roots": types.ListRootsRequest()})
    if isinstance(answers, types.InputRequiredResult):
        return answers
    return said(f"Roots: {', '.join(str(root.uri) for root in answers['client_roots'].roots)}")


async def with_state(call: Call) -> Result:
    answers = await call.ask({"confirm": form("Please confirm", ok={"type": "boolean"})}, "asked")
    if isinstance(answers, types.InputRequiredResult):
        return answers
    known = call.state == "asked" or not call.modern
    return said("state-ok" if known else "There is no state.")


async def ask_all(call: Call) -> Result:
    questions = {
        "user_name": name_question(),
        "greeting": sampling("Generate a greeting", 50),
        "client_roots": types.ListRootsRequest(),
    }
    answers = await call.ask(questions, "asked")
    if isinstance(answers, types.InputRequiredResult):
        return answers
    name = (answers["user_name"].content or {}).get("name")
    roots = len(answers["client_roots"].roots)
    return said(f"{answers['greeting'].content.text} {name}: {roots} roots")


async def ask_twice(call: Call) -> Result:
    """The state holds the first answer while the second is asked for."""
    name = (call.state or "").removeprefix("step2:") if _second(call) else None
    if name is None:
        first = await call.ask({"step1": form("Step 1: What is your name?", name=NAME)}, "step1")
        if isinstance(first, types.InputRequiredResult):
            return first
        name = str((first["step1"].content or {}).get("name"))
    second = {"step2": form("Step 2: What is your favorite color?", color=NAME)}
    answers = await call.ask(second, f"step2:{name}")
    if isinstance(answers, types.InputRequiredResult):
        return answers
    colour = (answers["step2"].content or {}).get("color")
    return said(f"{name} likes {colour}.")


def _second(call: Call) -> bool:
    return (call.state or "").startswith("step2:")


async def ask_what_it_can(call: Call) -> Result:
    can = call.capabilities
    questions: dict[str, Question] = {}
    if can.elicitation is not None:
        questions["user_name"] = name_question()
    if can.sampling is not None:
        questions["greeting"] = sampling("Generate a greeting", 50)
    if can.roots is not None:
        questions["client_roots"] = types.ListRootsRequest()
    if not questions:
        return said("This client can be asked nothing.")
    answers = await call.ask(questions)
    if isinstance(answers, types.InputRequiredResult):
        return answers
    return said(f"Answered: {', '.join(sorted(answers))}")


def asking_tools() -> list[Tool]:
    prefix = "test_input_required_result"
    return [
        Tool(f"{prefix}_elicitation", "Asks for a name.", ask_name),
        Tool("test_streaming_elicitation", "Asks for a name.", ask_name),
        Tool(f"{prefix}_sampling", "Asks the client's model.", ask_model),
        Tool(f"{prefix}_list_roots", "Asks for the client's roots.", ask_roots),
        Tool(f"{prefix}_request_state", "Asks, and wants its state back.", with_state),
        Tool(f"{prefix}_tampered_state", "Asks, and checks its state.", with_state),
        Tool(f"{prefix}_multiple_inputs", "Asks three things at once.", ask_all),
        Tool(f"{prefix}_multi_round", "Asks one thing, then another.", ask_twice),
        Tool(f"{prefix}_capabilities", "Asks what this client can answer.", ask_what_it_can),
    ]
