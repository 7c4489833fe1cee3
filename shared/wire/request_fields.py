"""What becomes of each field that the published API knows: behind the rules, and behind docs/request-fields.md.

A path names a field: `[…]` is the `type` of the object it belongs to. Content parts are the same in messages and in
tools' outputs, the tools of a namespace the same as others. What is refused, ignored or kept stands for all within it.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Fate(StrEnum):
    """What is done with a field."""

    HONOURED = "honoured"
    FORWARDED = "forwarded"
    KEPT = "kept"
    IGNORED = "ignored"
    REFUSED = "refused"


class Field(NamedTuple):
    """A field's fate, in one word and in one phrase."""

    fate: Fate
    says: str


def _honoured(says: str) -> Field:
    return Field(Fate.HONOURED, says)


def _forwarded(says: str) -> Field:
    return Field(Fate.FORWARDED, says)


def _kept(says: str) -> Field:
    return Field(Fate.KEPT, says)


def _ignored(says: str) -> Field:
    return Field(Fate.IGNORED, says)


def _refused(says: str) -> Field:
    return Field(Fate.REFUSED, says)


_HOSTED = _ignored("hosted: an offer that is left out; refused when `tool_choice` demands it")
_HOSTED_CHOICE = _refused("demands a tool that the model server cannot run")
_HOSTED_ITEM = _refused("of a hosted tool; a conversation may hold it")
_STORED = _kept("stored, listed and shown; the dialect has no place for it")
_IDENTITY = _honoured("made here when it is not given")
_STATUS = _honoured("`completed` unless given; a call cut short may stay unanswered")
_CALL_ID = _honoured("pairs a call with its output")
_CALLER = _kept("stored and shown; calls are the model's own here")
_NEVER_EAGER = _ignored("every tool is told to the model from the start")
_DIRECT = _ignored("every tool is called by the model directly")
_IN_TURN = _ignored("a call is answered by the next turn's input")
_BREAKPOINT = _kept("stored and shown; model servers cache as they see fit")
_NO_FILES = _refused("there is no Files API here")

REQUEST_FIELDS: Final[dict[str, Field]] = {
    "model": _forwarded("names the model; required"),
    "input": _honoured("a string is one message of the user"),
    "instructions": _forwarded("told first; not inherited from an earlier turn"),
    "previous_response_id": _honoured("the turn goes on from that response and waits for its end"),
    "conversation": _honoured("the turn reads it and adds to it, in order"),
    "conversation.id": _honoured("the same as the bare id"),
    "background": _honoured("answered at once; the turn outlives its caller"),
    "store": _honoured("`false`: erased after its end, never listed"),
    "stream": _honoured("answered as server-sent events"),
    "stream_options": _honoured("its fields are below"),
    "stream_options.include_obfuscation": _ignored("events are never padded"),
    "include": _honoured("each value is given, or listed as ignored"),
    "temperature": _forwarded("as given"),
    "top_p": _forwarded("as given"),
    "top_logprobs": _forwarded("needs `message.output_text.logprobs` in `include`"),
    "max_output_tokens": _forwarded("reached: the turn ends `incomplete`"),
    "max_tool_calls": _kept("echoed; it limits hosted tools, of which none run here"),
    "parallel_tool_calls": _forwarded("as given, when there are tools"),
    "truncation": _honoured("`auto`: old items are left out when the prompt is too long"),
    "metadata": _kept("stored, echoed, and a filter of listings; no business of the model server"),
    "service_tier": _honoured("chooses the queue; echoed as used"),
    "safety_identifier": _forwarded("as given"),
    "prompt_cache_key": _forwarded("as given"),
    "user": _forwarded("as given"),
    "text": _honoured("its fields are below"),
    "text.verbosity": _forwarded("as given"),
    "text.format": _forwarded("as `response_format`"),
    "text.format[text]": _honoured("the default"),
    "text.format[json_object]": _forwarded("as given"),
    "text.format[json_schema]": _forwarded("as given"),
    "text.format[json_schema].name": _forwarded("required"),
    "text.format[json_schema].schema": _forwarded("required; kept to the letter"),
    "text.format[json_schema].description": _forwarded("as given"),
    "text.format[json_schema].strict": _forwarded("as given"),
    "reasoning": _honoured("its fields are below"),
    "reasoning.effort": _forwarded("as `reasoning_effort`"),
    "reasoning.summary": _ignored("the reasoning itself is streamed, as `reasoning_text`"),
    "reasoning.generate_summary": _ignored("deprecated; the same as `summary`"),
    "reasoning.context": _ignored("reasoning of earlier turns is not told again"),
    "reasoning.mode": _ignored("the model server has one mode"),
    "prompt": _refused("templates are not stored here"),
    "context_management": _honoured("the model is told a summary; the output begins with it, sealed"),
    "context_management.compact_threshold": _honoured("in tokens, as the model server counts; required"),
    "moderation": _refused("no moderation model runs here"),
    "access_programs": _ignored("OpenAI's own"),
    "image": _ignored("images go on as they came"),
    "prompt_cache_options": _ignored("model servers cache as they see fit"),
    "prompt_cache_retention": _ignored("model servers cache as they see fit"),
    "tools": _honoured("by type, below"),
    "tools[function]": _forwarded("told to the model; the caller runs it"),
    "tools[function].name": _forwarded("as given"),
    "tools[function].description": _forwarded("as given"),
    "tools[function].parameters": _forwarded("as given"),
    "tools[function].strict": _forwarded("as given"),
    "tools[function].output_schema": _ignored("the dialect has no place for it"),
    "tools[function].async": _IN_TURN,
    "tools[function].defer_loading": _NEVER_EAGER,
    "tools[function].allowed_callers": _DIRECT,
    "tools[custom]": _forwarded("as a function with the one argument `input`; its calls come back as free text"),
    "tools[custom].name": _forwarded("as given"),
    "tools[custom].description": _forwarded("as given"),
    "tools[custom].format": _forwarded("a grammar is described to the model, which nothing holds to it"),
    "tools[custom].format[text]": _honoured("the default"),
    "tools[custom].format[grammar]": _forwarded("in the description"),
    "tools[custom].format[grammar].syntax": _forwarded("in the description; required"),
    "tools[custom].format[grammar].definition": _forwarded("in the description; required"),
    "tools[custom].async": _IN_TURN,
    "tools[custom].defer_loading": _NEVER_EAGER,
    "tools[custom].allowed_callers": _DIRECT,
    "tools[namespace]": _forwarded("one function for each tool in it; its calls come back with `namespace`"),
    "tools[namespace].name": _forwarded("before each tool's name, with `__` between"),
    "tools[namespace].description": _forwarded("before each tool's own"),
    "tools[namespace].tools": _forwarded("functions and custom tools, as above"),
    **dict.fromkeys(
        (
            "tools[apply_patch]",
            "tools[code_interpreter]",
            "tools[computer]",
            "tools[computer_use_preview]",
            "tools[file_search]",
            "tools[image_generation]",
            "tools[local_shell]",
            "tools[mcp]",
            "tools[programmatic_tool_calling]",
            "tools[shell]",
            "tools[tool_search]",
            "tools[web_search]",
            "tools[web_search_2025_08_26]",
            "tools[web_search_preview]",
            "tools[web_search_preview_2025_03_11]",
        ),
        _HOSTED,
    ),
    "tool_choice": _forwarded("`none`, `auto`, `required` as given"),
    "tool_choice[function]": _forwarded("that function must be called"),
    "tool_choice[function].name": _forwarded("must be among `tools`"),
    "tool_choice[allowed_tools]": _honoured("the model is told of these tools only"),
    "tool_choice[allowed_tools].mode": _forwarded("as `tool_choice`"),
    "tool_choice[allowed_tools].tools": _honoured("each must be among `tools`"),
    "tool_choice[custom]": _forwarded("that tool must be called"),
    "tool_choice[custom].name": _forwarded("must be among `tools`"),
    **dict.fromkeys(
        (
            "tool_choice[apply_patch]",
            "tool_choice[code_interpreter]",
            "tool_choice[computer]",
            "tool_choice[computer_use]",
            "tool_choice[computer_use_preview]",
            "tool_choice[file_search]",
            "tool_choice[image_generation]",
            "tool_choice[mcp]",
            "tool_choice[programmatic_tool_calling]",
            "tool_choice[shell]",
            "tool_choice[web_search_preview]",
            "tool_choice[web_search_preview_2025_03_11]",
        ),
        _HOSTED_CHOICE,
    ),
    "input[message]": _forwarded("a message of its role"),
    "input[message].role": _forwarded("`developer` becomes `system`"),
    "input[message].content": _forwarded("a string is one text part"),
    "input[message].id": _IDENTITY,
    "input[message].status": _STATUS,
    "input[message].phase": _STORED,
    "input[function_call]": _forwarded("as a tool call of the assistant"),
    "input[function_call].call_id": _CALL_ID,
    "input[function_call].name": _forwarded("as given"),
    "input[function_call].arguments": _forwarded("as given"),
    "input[function_call].namespace": _forwarded("before the name, as in `tools`"),
    "input[function_call].id": _IDENTITY,
    "input[function_call].status": _STATUS,
    "input[function_call].async": _STORED,
    "input[function_call].caller": _CALLER,
    "input[function_call_output]": _forwarded("as a message of role `tool`"),
    "input[function_call_output].call_id": _CALL_ID,
    "input[function_call_output].output": _forwarded("a string, or content parts"),
    "input[function_call_output].id": _IDENTITY,
    "input[function_call_output].status": _STATUS,
    "input[function_call_output].name": _STORED,
    "input[function_call_output].namespace": _STORED,
    "input[function_call_output].caller": _CALLER,
    "input[custom_tool_call]": _forwarded("as a call with the one argument `input`"),
    "input[custom_tool_call].call_id": _CALL_ID,
    "input[custom_tool_call].name": _forwarded("as given"),
    "input[custom_tool_call].input": _forwarded("as given"),
    "input[custom_tool_call].namespace": _forwarded("before the name, as in `tools`"),
    "input[custom_tool_call].id": _IDENTITY,
    "input[custom_tool_call].async": _STORED,
    "input[custom_tool_call].caller": _CALLER,
    "input[custom_tool_call_output]": _forwarded("as a message of role `tool`"),
    "input[custom_tool_call_output].call_id": _CALL_ID,
    "input[custom_tool_call_output].output": _forwarded("a string, or content parts"),
    "input[custom_tool_call_output].id": _IDENTITY,
    "input[custom_tool_call_output].caller": _CALLER,
    "input[reasoning]": _honoured("stored, listed and shown; the dialect has no place for it in history"),
    "input[reasoning].encrypted_content": _honoured("opened when it was sealed here, for this caller; else refused"),
    "input[reasoning].content": _STORED,
    "input[reasoning].summary": _STORED,
    "input[reasoning].id": _IDENTITY,
    "input[reasoning].status": _STATUS,
    "input[item_reference]": _honoured("stands for a stored item of the caller"),
    "input[item_reference].id": _honoured("unknown: refused"),
    "input[additional_tools]": _refused("tools go in `tools`"),
    "input[compaction]": _honoured("stands for what came before it; made by this server, or refused"),
    "input[compaction].encrypted_content": _honoured("opened, and told as the summary it holds"),
    "input[compaction].id": _IDENTITY,
    "input[compaction_trigger]": _honoured("the last item: the turn's output is a compaction and nothing else"),
    "input[compaction_trigger].id": _honoured("of an order, not an item: it is not stored"),
    "input[configuration_update]": _refused("`reasoning` and `text` are given with each turn"),
    **dict.fromkeys(
        (
            "input[apply_patch_call]",
            "input[apply_patch_call_output]",
            "input[code_interpreter_call]",
            "input[computer_call]",
            "input[computer_call_output]",
            "input[file_search_call]",
            "input[image_generation_call]",
            "input[local_shell_call]",
            "input[local_shell_call_output]",
            "input[mcp_approval_request]",
            "input[mcp_approval_response]",
            "input[mcp_call]",
            "input[mcp_list_tools]",
            "input[program]",
            "input[program_output]",
            "input[shell_call]",
            "input[shell_call_output]",
            "input[tool_search_call]",
            "input[tool_search_output]",
            "input[web_search_call]",
        ),
        _HOSTED_ITEM,
    ),
    "content[input_audio]": _refused("audio is not taken in"),
    "content[input_text]": _forwarded("as text"),
    "content[input_text].text": _forwarded("as given"),
    "content[input_text].prompt_cache_breakpoint": _BREAKPOINT,
    "content[input_image]": _forwarded("as `image_url`"),
    "content[input_image].image_url": _forwarded("an `https:`, `http:` or `data:` URL; required"),
    "content[input_image].detail": _forwarded("as given; `original` becomes `high`"),
    "content[input_image].file_id": _NO_FILES,
    "content[input_image].prompt_cache_breakpoint": _BREAKPOINT,
    "content[input_file]": _forwarded("as `file`"),
    "content[input_file].file_data": _forwarded("required"),
    "content[input_file].filename": _forwarded("as given"),
    "content[input_file].file_id": _NO_FILES,
    "content[input_file].file_url": _refused("nothing is fetched for the model server"),
    "content[input_file].detail": _STORED,
    "content[input_file].prompt_cache_breakpoint": _BREAKPOINT,
    "content[output_text]": _forwarded("as text of the assistant"),
    "content[output_text].text": _forwarded("as given"),
    "content[output_text].annotations": _STORED,
    "content[output_text].logprobs": _STORED,
    "content[refusal]": _forwarded("as text of the assistant"),
    "content[refusal].refusal": _forwarded("as given"),
}


def fields_with(fate: Fate) -> frozenset[str]:
    """The paths of the fields that have this fate."""
    return frozenset(path for path, field in REQUEST_FIELDS.items() if field.fate is fate)
