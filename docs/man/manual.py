# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual of section 3, from doxygen's XML of the headers:

manual.py pages XML INCLUDE PAGES OUT VERSION DATE   writes the pages into OUT
manual.py lint XML INCLUDE PAGES MAP                 says what comments lack
manual.py errnos XML INCLUDE                         prints "function errno" for each result

INCLUDE is the directory with the headers.
"""

import sys

import families
import lint
import mdoc
import reference


def main(command, xml, include, *arguments):
    items = reference.read(xml, include)
    if command == "errnos":
        for item in items:
            for name in item.errnos() if item.kind == "function" else []:
                print(item.name, name.lstrip("-"))
        return 0
    pages, *arguments = arguments
    found = families.Families(items, pages)
    if command == "pages":
        mdoc.write(found, *arguments)
    elif command == "lint":
        lint.check(found, *arguments)
    else:
        sys.exit(__doc__)
    return found.problems > 0


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
