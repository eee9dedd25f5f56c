# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which items are on which page. The file `pages` tells its format."""

import re
import sys

import reference


class Page:
    def __init__(self, name, header):
        self.name, self.header = name, header
        self.about = ""
        self.also = []
        self.items = []
        self.intro = None       # the comment on the whole header
        self.aliases = []
        self.parts = []         # of the page on a header: pages on parts of it

    @property
    def functions(self):
        return [item for item in self.items if item.kind == "function"]


def header_name(header):
    """qb/qbipcc.h is qbipcc.h(3), as with libqb; qbipc/peer.h is qbipc_peer.h(3)."""
    folder, name = header.split("/", 1)
    return name if folder == "qb" else f"{folder}_{name}".replace("-", "_").replace("/", "_")


def first_sentence(text):
    text = re.split(r"[.:;](?: |$)", text)[0]
    return text[0].lower() + text[1:] if re.match(r"[A-Z][a-z]", text) else text


class Families:
    def __init__(self, items, path):
        self.problems = 0
        self.path = path
        self.by_name = {item.name: item for item in items if item.kind != "file"}
        self.intros = {item.header: item for item in items if item.kind == "file"}
        self.page_of = {}
        self.pages = []
        self._listed()
        listed = {page.header for page in self.pages}
        for header in sorted({item.header for item in items}):
            self._header(header, header in listed, items)

    def problem(self, where, what):
        print(f"{where}: {what}", file=sys.stderr)
        self.problems += 1

    def _put(self, page, name):
        if name not in self.by_name:
            self.problem(self.path, f"{name} is nowhere documented")
        elif name in self.page_of:
            self.problem(self.path, f"{name} is on two pages")
        else:
            self.page_of[name] = page.name
            page.items.append(self.by_name[name])

    def _listed(self):
        page = None
        with open(self.path, encoding="utf-8") as lines:
            for line in lines:
                word, _, rest = line.strip().partition(" ")
                if word == "page":
                    page = Page(*rest.split())
                    self.pages.append(page)
                elif word == "is":
                    page.about = rest.strip()
                elif word == "also":
                    page.also += rest.split()
                elif word == "has":
                    for name in rest.split():
                        self._put(page, name)

    def _header(self, header, has_pages, items):
        """One page for all that a header declares, or one that leads to several."""
        name = header_name(header)
        own = not has_pages and name.startswith("qbipc_")
        page = Page(name.removesuffix(".h") if own else name, header)
        page.intro = self.intros.get(header)
        if page.intro is None:
            self.problem(header, "no comment with @file")
        elif page.intro.text:
            page.about = first_sentence(reference.plain(page.intro.text[0]))
        if has_pages:
            page.parts = [p for p in self.pages if p.header == header]
            for part in page.parts:
                part.also.insert(0, name)
        else:
            page.aliases += [name] if own else []
            for item in items:
                if item.header == header and item.kind != "file":
                    self._put(page, item.name)
        self.page_of[name] = page.name
        self.pages.append(page)
