"""Writes ../fixtures/chat: conversations as `transformers` writes them by templates of the kinds that published models have.

    pip install -r requirements.txt
    python chat.py [--out FOLDER]

The templates are our own, in the forms of six families: what a model reads is theirs, the Jinja that makes it is not.
"""

import argparse
import json
import shutil
from pathlib import Path

import transformers as hf

import tiny_tokenizers as tt

CHATML = """{% for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{% endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif -%}
"""
# A system message that is always there, as Qwen's.
QWEN = """{%- if messages[0].role != 'system' %}
    {{- '<|im_start|>system\\nYou are helpful.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
LLAMA2 = """{% if messages[0]['role'] == 'system' %}
{% set rest = messages[1:] %}{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}
{% else %}{% set rest = messages %}{% set system = '' %}{% endif %}
{% for message in rest %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('user and assistant must speak in turn') }}{% endif %}
{% set content = system + message['content'] if loop.first else message['content'] %}
{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}
{%- else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}
{% endfor %}"""
LLAMA3 = """{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' ~ message['role'] ~ '<|end_header_id|>\\n\\n' ~ message['content'] | trim ~ '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}"""
ZEPHYR = """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""
# A namespace, a macro, methods of text and a loop that stops: what newer templates use.
MACROS = """{%- set seen = namespace(count=0) -%}
{%- macro turn(name, text) -%}<{{ name | upper }}>{{ text.replace('  ', ' ').split('\\n') | join(' | ') }}</{{ name | upper }}>{%- endmacro -%}
{%- for message in messages -%}
    {%- if message.content.startswith('#') -%}{%- continue -%}{%- endif -%}
    {%- set seen.count = seen.count + 1 -%}
    {{- turn(message.role, message.content.rstrip()) -}}
{%- endfor -%}
{{- '\\n' ~ seen.count -}}
{%- if tools is defined -%}{{ tools | tojson }}{%- endif -%}
{%- if add_generation_prompt %}{{ '\\n<ASSISTANT>' }}{%- endif -%}"""
TEMPLATES = {"chatml": CHATML, "qwen": QWEN, "llama2": LLAMA2, "llama3": LLAMA3, "zephyr": ZEPHYR, "macros": MACROS}


def said(*turns: str) -> list[dict]:
    roles = ["system", "user", "assistant"]
    return [{"role": roles[int(turn[0])], "content": turn[1:]} for turn in turns]


CASES = {
    "user": said("1How long does bread bake?"),
    "system": said("0Answer in one word. ", "1How long does bread  bake?\nIn a cold oven."),
    "turns": said("0You rank passages.", "1Passage [1]:\n tea & <milk> ", "2Received.", "1Rank them: 'best' first\n"),
    "twice": said("1first", "1# second"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "fixtures/chat")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    for name, template in TEMPLATES.items():
        folder = args.out / name
        folder.mkdir(parents=True)
        fast = hf.PreTrainedTokenizerFast(tokenizer_object=tt.plain_byte_bpe()[0], bos_token="<s>", eos_token="</s>")
        settings = {"bos_token": "<s>", "eos_token": {"__type": "AddedToken", "content": "</s>"}}
        if name in ("qwen", "macros"):
            (folder / "chat_template.jinja").write_text(template)
        elif name == "zephyr":
            several = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": template}]
            settings["chat_template"] = several
        else:
            settings["chat_template"] = template
        (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
        cases = []
        for case, messages in CASES.items():
            try:
                text = fast.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)
            except Exception as error:  # noqa: BLE001
                text = None
                print(name, case, error)
            cases.append({"name": case, "messages": messages, "text": text})
        (folder / "expected.json").write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
