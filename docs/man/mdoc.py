# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pages in mdoc(7): one for each family of functions, and one that includes it for each
other name."""

import errno
import os
import re

from reference import argument_name, plain, squeeze

# Between words of doxygen's <computeroutput>, which @p and @c make, and blanks in them.
CODE, CODE_END, BLANK = "\x01", "\x02", "\x03"
# What the header of an adapter needs besides: a package of pkg-config, or a library.
PACKAGES = {"qbipc/poll-glib.h": "glib-2.0", "qbipc/poll-libev.h": "-lev",
            "qbipc/poll-libevent.h": "libevent", "qbipc/poll-libuv.h": "libuv",
            "qbipc/poll-sd-event.h": "libsystemd"}
CLOSING = re.compile(r"^[.,;:)?!]*$")
CONSTANT = re.compile(r"(QB_|QBIPC_|POLL|SIG|SO_|RLIMIT_|IOV_)[A-Z_0-9]+$|NULL$")


def is_errno(name):
    return hasattr(errno, name.lstrip("-"))


def escape(text):
    return text.replace("\\", "\\e")


def quoted(text):
    return '"' + escape(text).replace('"', "\\(dq") + '"'


class Writer:
    def __init__(self, page, families, version, date):
        self.page, self.families = page, families
        self.version, self.date = version, date
        self.lines = []
        self.gathered = ""      # ordinary words, so that a macro can have its own line
        self.references = set()
        self.parameters = set()  # of the item that is being written

    def put(self, line):
        self.lines.append(line)

    # -- Text ----------------------------------------------------------------------

    def _words_put(self):
        if self.gathered:
            self.put(("\\&" if self.gathered[0] in ".'" else "") + self.gathered)
        self.gathered = ""

    def _word(self, word):
        self.gathered += (" " if self.gathered else "") + escape(word)
        if re.search(r'[.!?][)"]*$', word) or len(self.gathered) > 76:
            self._words_put()

    def _macro(self, before, macro, behind):
        """A macro with what stands directly before and behind the word."""
        self._words_put()
        if before:
            macro = "Pf " + before.replace('"', "\\(dq") + " " + macro
        if CLOSING.match(behind):
            macro = " ".join([macro] + list(behind))
        else:
            macro += " Ns " + escape(behind).replace('"', "\\(dq")
        self.put("." + macro)

    def _refer(self, name, section):
        self.references.add((section, name))
        return f"Xr {name} {section}"

    def _macro_of(self, word):
        """The macro for a word of a text, or nothing."""
        page_of, here = self.families.page_of, self.page.name
        called = re.match(r"([a-z_]\w*)\(\)$", word)
        if called:
            name = called.group(1)
            if page_of.get(name, here) == here:
                return "Fn " + name
            return self._refer(name, "3")
        page = re.match(r"([a-zA-Z_][\w.-]*)\(([1-8])\)$", word)
        if page:
            return self._refer(*page.groups())
        if re.match(r"-?E[A-Z0-9]+$", word) and is_errno(word):
            return ("Pf \\- " if word[0] == "-" else "") + "Er " + word.lstrip("-")
        if CONSTANT.match(word):
            return "Dv " + word
        if re.match(r"(qb_|qbipc_)[a-z_0-9]+$", word) and page_of.get(word, here) != here:
            return self._refer(word, "3")
        return ""

    def _code(self, word):
        """What @p or @c marks, with what stands around it."""
        before, _, rest = word.partition(CODE)
        code, _, behind = rest.partition(CODE_END)
        code = code.replace(BLANK, " ")
        if code in self.parameters or re.fullmatch(r"[a-z]\w*", code) and \
                not self._macro_of(code):
            macro = "Fa " + code
        else:
            macro = self._macro_of(code) or "Ql " + (quoted(code) if " " in code
                                                     else escape(code))
        self._macro(before, macro, behind)

    def _ordinary(self, word):
        before = re.match(r'[("\[]*', word).group()
        core = word[len(before):]
        behind = ""
        ending = re.search(r'[.,;:?!"]+$', core)
        if ending:
            core, behind = core[:ending.start()], ending.group()
        if core.endswith("'s"):
            core, behind = core[:-2], "'s" + behind
        # A parenthesis that closes another one than that of f() or f(2).
        if core.endswith(")") and (not re.search(r"\([1-8]?\)$", core)
                                   or core.endswith("))")):
            core, behind = core[:-1], ")" + behind
        macro = self._macro_of(core)
        if macro:
            self._macro(before, macro, behind)
        else:
            self._word(word)

    def text(self, words):
        """A paragraph; an element of doxygen or a string."""
        if not isinstance(words, str):
            words = flat(words)
        words = squeeze(words).split(" ")
        for last, word in zip([""] + words, words):
            if CODE in word:
                self._code(word)
            elif word and not last.endswith("(struct"):
                self._ordinary(word)
            else:
                self._word(word)
        self._words_put()

    def _listing(self, lines):
        self.put(".Bd -literal -offset indent")
        for line in lines:
            line = escape(line)
            self.put("\\&" + line if line[:1] in (".", "'") else line or "")
        self.put(".Ed")

    def _list(self, block):
        self.put(".Bl " + ("-bullet" if block.tag == "itemizedlist" else "-enum") +
                 " -compact")
        for item in block.findall("listitem"):
            self.put(".It")
            self.blocks(item)
        self.put(".El")

    def parameters_of(self, item):
        self.parameters = set(item.macro_parameters) | {argument_name(a)
                                                        for a in item.arguments}

    def blocks(self, blocks):
        for number, block in enumerate(blocks):
            if block.tag == "para":
                nested = [b for b in block if b.tag in ("itemizedlist", "orderedlist")]
                if number:
                    self.put(".Pp")
                self.text(block)
                self.blocks(nested)
            elif block.tag in ("itemizedlist", "orderedlist"):
                self.put(".Pp")
                self._list(block)
            else:
                self._listing(code_lines(block))

    # -- Sections ------------------------------------------------------------------

    def names(self):
        page = self.page
        names = [i.name for i in page.items if i.kind != "macro" and i.name != page.name]
        names = [page.name] + names + [a for a in page.aliases if a != page.name]
        self.put(".Sh NAME")
        for name in names:
            self.put(f".Nm {name}" + (" ," if name != names[-1] else ""))
        self.put(".Nd " + page.about)

    def _prototype(self, item):
        self.put(".Ft " + quoted(("typedef " if item.kind == "callback" else "") + item.type))
        self.put(".Fo " + (f"(*{item.name})" if item.kind == "callback" else item.name))
        for argument in item.arguments or ["void"]:
            self.put(".Fa " + quoted(argument))
        self.put(".Fc")

    def synopsis(self):
        self.put(".Sh SYNOPSIS")
        self.put(".In " + self.page.header)
        for item in self.page.items:
            if item.is_prototype:
                self._prototype(item)
            elif item.kind == "macro":
                self.put(".Fd " + quoted(item.declaration))
            elif item.kind == "type":
                self.put(".Vt " + quoted(item.declaration + ";"))
            else:
                self.put(".Vt " + quoted(f"{item.kind} {item.name};"))
        self.put(".Pp")
        self.put("Compile and link with")
        package = PACKAGES.get(self.page.header, "")
        if package.startswith("-"):
            self.put(".Ql $(pkg-config --cflags --libs libqbipc) " + escape(package) + " .")
        else:
            self.put(f".Ql $(pkg-config --cflags --libs {' '.join(['libqbipc', package]).strip()}) .")

    def _tagged(self, rows, macro):
        """A list whose column is as wide as the longest of its names, within reason."""
        if not rows:
            return
        widest = max((name for name, _ in rows), key=len)
        self.put(".Pp")
        self.put(".Bl -tag -compact -width " + (widest if len(widest) <= 12 else "twelve_chars"))
        for name, texts in rows:
            self.put(f".It {macro} {name}")
            for text in texts:
                self.text(text)
        self.put(".El")

    def _definition(self, item):
        self._listing(item.declaration.split("\n"))
        self._tagged([(name, text) for name, text in item.members if text],
                     "Dv" if item.kind == "enum" else "Fa")

    def _title(self, item):
        if item.kind == "function":
            self.put(".Ss Fn " + item.name)
        else:
            self.put(".Ss " + (item.kind + " " if item.kind in ("struct", "enum") else "") +
                     item.name)

    def description(self):
        page = self.page
        self.put(".Sh DESCRIPTION")
        if page.intro is not None:
            self.blocks(page.intro.text)
        for part in page.parts:
            self._part(part)
        for item in page.items:
            self.parameters_of(item)
            if len(page.items) > 1 or page.intro is not None:
                self._title(item)
            self.blocks(item.text)
            if item.kind in ("struct", "enum"):
                self._definition(item)
            self._tagged([(name, [text]) for name, text in item.params], "Fa")
            for note in item.notes:
                self.put(".Pp")
                self.text(note)
            if item.kind == "callback" and item.results:
                self.put(".Pp")
                self._results(item, "It returns ")
        self.parameters = set()

    def _part(self, part):
        """Of the page on a header: a page, what it is about, and its functions."""
        self.put(f".Ss {part.about[0].upper()}{part.about[1:]}")
        names = [i for i in part.items if i.kind != "macro"]
        for item in names:
            end = " ," if item is not names[-1] else ""
            self.put(f".Xr {item.name} 3" + end)
            self.references.discard(("3", item.name))

    def _results(self, item, begin=""):
        """What is good first, then the errnos, then what is said of others."""
        listed = False
        following = item.results[1:] + [None]
        for result, after in zip(item.results, following):
            if isinstance(result, tuple):
                if not listed:
                    self.put(".Pp")
                    self.put(".Bl -tag -width Er -compact")
                listed = True
                names, text = result
                self.put(".It " + " , ".join(
                    ("Pf \\- Er " if n[0] == "-" else "Er ") + n.lstrip("-") for n in names))
                self.text(text)
                continue
            text = flat(result)
            text = begin + text if begin else text[0].upper() + text[1:]
            if listed:
                self.put(".El")
                self.put(".Pp")
            ends_open = re.search(r"[.:]$", text)
            if not ends_open and isinstance(after, tuple):
                text += ", or"
            elif not ends_open:
                text += "."
            self.text(text)
            listed, begin = False, ""
        if listed:
            self.put(".El")

    def returns(self):
        functions = [i for i in self.page.functions if i.results]
        if functions:
            self.put(".Sh RETURN VALUES")
        for item in functions:
            self.parameters_of(item)
            if len(self.page.functions) > 1:
                self.put(".Ss Fn " + item.name)
            self._results(item)
        self.parameters = set()

    def threads(self):
        """Functions of which the same is said stand together."""
        said = {}
        for item in self.page.items:
            if item.threads is not None:
                said.setdefault(flat(item.threads), []).append(item.name)
        if not said:
            return
        self.put(".Sh THREADS")
        self.put(".Bl -tag -compact -width Ds")
        for text, names in said.items():
            self.put(".It " + " , ".join("Fn " + name for name in names))
            text = text.removeprefix("Threads: ")
            self.text(text[0].upper() + text[1:])
        self.put(".El")

    def see_also(self):
        for name in self.page.also:
            self._refer(name, "3")
        self._refer("libqbipc", "7")
        of_here = [("3", n) for n, p in self.families.page_of.items() if p == self.page.name]
        references = sorted(self.references - set(of_here))
        self.put(".Sh SEE ALSO")
        for section, name in references:
            self.put(f".Xr {name} {section}" + (" ," if (section, name) != references[-1]
                                                else ""))

    def write(self):
        page = self.page
        self.put('.\\" SPDX-License-Identifier: LGPL-2.1-or-later')
        self.put(f'.\\" Made from <{page.header}>: its comments are the source.')
        self.put(".Dd " + self.date)
        self.put(f".Dt {page.name.upper()} 3")
        self.put(".Os libqbipc " + self.version)
        for section in (self.names, self.synopsis, self.description, self.returns,
                        self.threads, self.see_also):
            section()
        return "\n".join(self.lines) + "\n"


def flat(element):
    """The words of an element; code is marked and has no blanks."""
    parts = [element.text or ""]
    for child in element:
        if child.tag == "computeroutput":
            parts.append(CODE + plain(child).replace(" ", BLANK) + CODE_END)
        elif child.tag == "ndash":
            parts.append("--")
        elif child.tag not in ("itemizedlist", "orderedlist"):
            parts.append(flat(child))
        parts.append(child.tail or "")
    return squeeze("".join(parts))


def code_lines(block):
    """The lines of @code or of what is indented, without what all are indented by."""
    if block.tag == "programlisting":
        lines = []
        for line in block.findall("codeline"):
            for space in line.iter("sp"):
                space.text = " "
            lines.append("".join(line.itertext()).rstrip())
    else:
        lines = [line.rstrip() for line in "".join(block.itertext()).split("\n")]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    margin = min((len(s) - len(s.lstrip()) for s in lines if s), default=0)
    return [line[margin:] for line in lines]


def write(families, directory, version, date):
    for page in families.pages:
        with open(os.path.join(directory, page.name + ".3"), "w", encoding="utf-8") as file:
            file.write(Writer(page, families, version, date).write())
        names = [i.name for i in page.items if i.kind != "macro"] + page.aliases
        for name in names:
            if name != page.name:
                path = os.path.join(directory, name + ".3")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f".so man3/{page.name}.3\n")
