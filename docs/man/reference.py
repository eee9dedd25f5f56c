# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the comments of the headers say, read from doxygen's XML.

Texts stay trees of doxygen's elements; `plain` flattens one.
"""

import glob
import os
import re
import xml.etree.ElementTree as ElementTree

PARAGRAPH_END = {"parameterlist", "simplesect", "itemizedlist", "orderedlist",
                 "programlisting", "verbatim", "preformatted"}


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def plain(element):
    """The words of an element, without its tags."""
    return squeeze("".join(element.itertext())) if element is not None else ""


def split_arguments(text):
    """The declarations between the outermost parentheses of a prototype."""
    depth, one, found = 0, "", []
    for char in text[text.index("(") + 1:text.rindex(")")]:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            found.append(one)
            one = ""
        else:
            one += char
    return [squeeze(a) for a in found + [one] if squeeze(a) not in ("", "void")]


def argument_name(declaration):
    pointer = re.search(r"\(\*\s*(\w+)\)", declaration)
    if pointer:
        return pointer.group(1)
    return re.sub(r"^.*[^\w.]", "", re.sub(r"\s*\[.*", "", declaration))


class Item:
    """One documented thing: file, function, callback, type, struct, enum or macro."""

    def __init__(self, kind, name, element):
        where = element.find("location")
        self.kind, self.name = kind, name
        self.header = where.get("file")
        self.line = int(where.get("line", 0))
        self.body = int(where.get("bodystart", 0)), int(where.get("bodyend", 0))
        self.type = self.declaration = ""
        self.arguments = []     # declarations
        self.macro_parameters = []
        self.members = []       # name, text
        self.params = []        # name, text
        self.results = []       # texts, and pairs of errno names and a text, in order
        self.notes = []
        self.threads = None
        self.text = []          # block elements of the description
        for part in ("briefdescription", "detaileddescription"):
            for para in element.findall(part + "/para"):
                self._paragraph(para)

    def _paragraph(self, para):
        """Tell apart what a paragraph of doxygen holds: text, lists, tags."""
        words = ElementTree.Element("para")
        words.text = para.text
        for child in para:
            if child.tag not in PARAGRAPH_END:
                words.append(child)
                continue
            self._words(words)
            words = ElementTree.Element("para")
            words.text = child.tail
            if child.tag == "parameterlist":
                self._parameters(child)
            elif child.tag == "simplesect":
                self._section(child)
            else:
                self.text.append(child)
        self._words(words)

    def _words(self, words):
        if plain(words):
            self.text.append(words)

    def _parameters(self, parameters):
        for item in parameters.findall("parameteritem"):
            names = [plain(n) for n in item.findall("parameternamelist/parametername")]
            text = item.find("parameterdescription")
            if parameters.get("kind") == "retval":
                self.results.append((names, text))
            else:
                self.params += [(name, text) for name in names]

    def _section(self, section):
        if section.get("kind") == "return":
            self.results.append(section)
        elif section.get("kind") == "note" and plain(section).startswith("Threads: "):
            self.threads = section
        else:
            self.notes.append(section)

    @property
    def documented(self):
        return bool(self.text or self.params or self.results or self.notes or self.threads)

    @property
    def place(self):
        return f"{self.header}:{self.line}: {self.name}"

    @property
    def is_prototype(self):
        return self.kind in ("function", "callback")

    @property
    def returns_nothing(self):
        return self.type == "void"

    def errnos(self):
        return [name for result in self.results if isinstance(result, tuple)
                for name in result[0]]


def of_define(element):
    item = Item("macro", element.findtext("name"), element)
    item.macro_parameters = [p.findtext("defname") or "" for p in element.findall("param")]
    item.declaration = "#define " + item.name
    if item.macro_parameters:   # what it expands to is nobody's business
        item.declaration += "(" + ", ".join(item.macro_parameters) + ")"
    else:
        item.declaration += " " + plain(element.find("initializer"))
    return item


def of_enum(element):
    item = Item("enum", element.findtext("name"), element)
    for value in element.findall("enumvalue"):
        name = value.findtext("name")
        value.append(element.find("location"))  # it has none of its own
        item.members.append((name, Item("value", name, value).text))
    return item


def of_typedef(element):
    kind = "callback" if (element.findtext("argsstring") or "").startswith(")") else "type"
    item = Item(kind, element.findtext("name"), element)
    item.type = plain(element.find("type"))
    if kind == "callback":
        item.type = item.type.removesuffix("(*").strip()
        item.arguments = split_arguments(element.findtext("argsstring")[1:])
    else:
        # The filter makes these of declarations, which doxygen would pass over.
        forward = item.type == "struct " + item.name
        space = "" if item.type.endswith("*") else " "
        item.declaration = item.type if forward else f"typedef {item.type}{space}{item.name}"
    return item


def of_function(element):
    item = Item("function", element.findtext("name"), element)
    item.type = re.sub(r"\b(static|inline|extern) ", "", plain(element.find("type")) + " ")
    item.type = item.type.strip()
    item.arguments = split_arguments(element.findtext("argsstring"))
    return item


MAKERS = {"define": of_define, "enum": of_enum, "typedef": of_typedef,
          "function": of_function}


def of_struct(element):
    item = Item("struct", element.findtext("compoundname"), element)
    for member in element.iter("memberdef"):
        name = member.findtext("name")
        item.members.append((name, Item("member", name, member).text))
    return item


def definition(item, include):
    """The lines of a struct or an enum, without comments."""
    with open(os.path.join(include, item.header), encoding="utf-8") as file:
        lines = "".join(list(file)[item.body[0] - 1:item.body[1]])
    lines = re.sub(r"/\*.*?\*/", "", lines, flags=re.DOTALL).expandtabs(8)
    return "\n".join(line.rstrip() for line in lines.split("\n") if line.strip())


def read(directory, include):
    """All documented items of the XML in DIRECTORY, by header and line. INCLUDE has the
    headers that it was made from."""
    items = []
    for path in sorted(glob.glob(os.path.join(directory, "*.xml"))):
        for compound in ElementTree.parse(path).getroot().findall("compounddef"):
            if compound.get("kind") == "file":
                item = Item("file", compound.findtext("compoundname"), compound)
                items.append(item)
                items += [MAKERS[m.get("kind")](m) for m in compound.iter("memberdef")
                          if m.get("kind") in MAKERS]
            elif compound.get("kind") in ("struct", "union"):
                items.append(of_struct(compound))
    items = [item for item in items if item.documented]
    for item in items:
        if item.kind in ("struct", "enum"):
            item.declaration = definition(item, include)
    return sorted(items, key=lambda item: (item.header, item.line))
