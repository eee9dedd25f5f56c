# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by tests of the manual: how it is made.

: "${DOXYGEN=doxygen}" "${PYTHON=python3}"

manual_possible()
{
	test -n "$DOXYGEN" && have "$DOXYGEN" && test -n "$PYTHON" && have "$PYTHON"
}

# manual_xml OUT INCLUDE: what doxygen finds in the headers; complains about what it does not
# understand.
manual_xml()
{
	mkdir -p "$1" &&
		DOXYGEN=$DOXYGEN sh "$srcdir/docs/man/xml" "$(cd "$srcdir" && pwd)" "$1" "$2" \
			2>"$1.said" && ! grep . "$1.said"
}

# manual COMMAND ARG...: docs/man/manual.py
manual()
{
	$PYTHON -B "$srcdir/docs/man/manual.py" "$@"
}
