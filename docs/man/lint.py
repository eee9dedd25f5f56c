# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the comments on exported functions lack.

Each exported function, and each documented one of a header that has its code in it, needs
  * a description, or a text of @return if that says it all
  * @param for each parameter, in order, with a text; integers with what they count
  * @return with a text, unless it returns nothing; each errno with its reason
  * @note Threads:
  * a place on exactly one page
Callbacks need the same but the threads: those of the header hold for all. Code in a text
is between @code and @endcode, or indented by four columns.
"""

import re

from reference import argument_name, plain

INTEGER = re.compile(r"(^| )(size_t|ssize_t|int|long|u?int(8|16|32|64)_t|unsigned|mode_t)( |$)")
UNIT = re.compile(r"byte|second|number|pieces|descriptor|socket|errno|event|message|request|"
                  r"connection|signal|priority|owner|group|permission|id of|mode|rate|timer|"
                  r"process|version|size|flag", re.IGNORECASE)
VALUE = re.compile(r"QB_|QBIPC_|POLL|(^|[^0-9])[01]([^0-9]|$)|^as (for|added|given)")
ERRNO_WITHIN = re.compile(r"[a-z)], -?E[A-Z][A-Z0-9]+([ ,]|$)")
CODE = re.compile(r"[;{] [^;{}]*}( |;|$)|\w\([^()]*\);( \S+ = | \w+\(.*\);|$)")


def exported(path):
    with open(path, encoding="utf-8") as lines:
        return re.findall(r"^\s*(qb[a-z0-9_]*);", lines.read(), re.MULTILINE)


def params_check(item, complain):
    names = [argument_name(a) for a in item.arguments]
    if len(item.params) != len(names):
        complain(f"{len(names)} parameters, {len(item.params)} of them documented")
    for name, declaration, (said, text) in zip(names, item.arguments, item.params):
        text = plain(text)
        if said != name:
            complain(f"parameter is {name}, @param says {said}")
        elif not text:
            complain(f"nothing is said of {name}")
        elif "*" not in declaration and INTEGER.search(declaration) and \
                not (UNIT.search(text) or VALUE.search(text)):
            complain(f"in which unit is {name}?")


def results_check(item, complain):
    if item.returns_nothing:
        if item.results:
            complain("@return of what returns nothing")
        return
    if not item.results:
        complain("no @return")
    for result in item.results:
        names, text = result if isinstance(result, tuple) else ([], result)
        text = plain(text)
        if names and not text:
            complain(f"why {', '.join(names)}?")
        if ERRNO_WITHIN.search(text):
            complain(f"a semicolon before each errno: {text}")


def code_check(item, complain):
    for block in item.text + item.notes:
        if block.tag in ("para", "simplesect") and CODE.search(plain(block)):
            complain(f"code in a text wants @code: {plain(block)[:60]}")


def check(families, map_path):
    problem = families.problem
    names = exported(map_path)
    if not names:
        problem(map_path, "no names found")
    for name in names:
        item = families.by_name.get(name)
        if item is None or item.kind != "function":
            problem(map_path, f"{name} has no documentation")
    for item in [*families.by_name.values(), *families.intros.values()]:
        def complain(what, item=item):
            problem(item.place, what)
        code_check(item, complain)
        if not item.is_prototype:
            continue
        if not item.text and not item.results:
            complain("no description")
        params_check(item, complain)
        results_check(item, complain)
        if item.kind == "function" and item.threads is None:
            complain("no @note Threads:")
        if item.name not in families.page_of:
            complain("on no page: see docs/man/pages")
    for page in families.pages:
        if not page.about or not (page.items or page.intro):
            problem(families.path, f"{page.name} is empty or has no title")
