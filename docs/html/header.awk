# SPDX-License-Identifier: LGPL-2.1-or-later
# Filter of doxygen for a header: in a text of @return each errno begins a line, as the
# semicolon before it says.

function begins_errno(s)
{
	return s ~ /^[ \t]*\*[ \t]+-?E[A-Z0-9]+([ ,;:]|$)/
}

/@return/ { inside = 1; ended = 0 }
inside && (/\*\// || /^[ \t]*\*[ \t]*@/ && !/@return/) {
	last = /\*\//
	inside = 0
}
inside || last {
	last = 0
	if (ended && begins_errno($0))
		sub(/-?E[A-Z0-9]+/, "<br>&")
	while (match($0, /; -?E[A-Z0-9]+([ ,;:]|$)/))
		$0 = substr($0, 1, RSTART) " <br>" substr($0, RSTART + 2)
	ended = /;[ \t]*$/
}
{
	# An address such as @NAME is no command of doxygen's.
	gsub(/@[A-Z]/, "\\\\&")
	print
}
