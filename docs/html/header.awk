# SPDX-License-Identifier: LGPL-2.1-or-later
# Filter of doxygen for a header. A text of @return,
#
#	0; -EINVAL why; -EAGAIN, -EBUSY why; otherwise as somewhere else
#
# becomes @return and a @retval for each errno, or for several that share a reason. Other
# semicolons belong to a reason. Lines keep their numbers.

BEGIN {
	errnos = "^-?E[A-Z0-9]+((,| or|, or| and) -?E[A-Z0-9]+)*([ ,;:.]|$)"
	others = "^(another|else|otherwise|what) "
}

# Puts a clause behind what there is: an item of errnos, or a text.
function clause_put(s,    list, n)
{
	if (match(s, errnos)) {
		list = substr(s, 1, RLENGTH)
		s = substr(s, RLENGTH + 1)
		sub(/[ ,;:.]$/, "", list)
		n = gsub(/,? (or|and) |, /, ",", list)
		if (s == "" && n == 0 && list ~ /ENOMEM$/)
			s = "there is no memory"
		result = result " @retval " list " " s
		listed = 1
	} else {
		result = result (listed ? " @return " : " ") s
	}
}

function result_split(s,    i, c, depth, from, following)
{
	# A tag directly behind the word of @p would be taken for part of it.
	while (match(s, /@p [a-zA-Z_0-9]+/))
		s = substr(s, 1, RSTART - 1) "<tt>" substr(s, RSTART + 3, RLENGTH - 3) "</tt>" \
			substr(s, RSTART + RLENGTH)
	result = ""
	listed = depth = 0
	from = 1
	for (i = 1; i < length(s); i++) {
		c = substr(s, i, 1)
		depth += (c == "(") - (c == ")")
		if (depth > 0 || c !~ /[;:]/ || substr(s, i + 1, 1) != " ")
			continue
		following = substr(s, i + 2)
		if (following ~ errnos || c == ";" && listed && following ~ others) {
			clause_put(substr(s, from, i - from + (c == ":")))
			from = i + 2
		}
	}
	clause_put(substr(s, from))
	return result
}

# The result has ended: one line, and empty ones for the others that it had.
function result_end()
{
	gsub(/[ \t]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	printf "%s@return%s%s\n", before, result_split(text), behind
	for (; lines > 1; lines--)
		print " *"
	lines = 0
	behind = ""
}

function result_add(s)
{
	lines++
	if (s ~ /\*\//) {
		behind = " */"
		sub(/[ \t]*\*\/.*/, "", s)
		text = text " " s
		result_end()
	} else {
		text = text " " s
	}
}

# An address such as @NAME is no command of doxygen's.
{
	gsub(/[ ("]@[A-Z]/, "&\001")
	gsub(/@[A-Z]\001/, "\\\\&")
	gsub(/\001/, "")
}

lines && /^[ \t]*\*[ \t]*(@|$)/ { result_end() }
lines && /^[ \t]*\*\// { result_end() }
lines {
	sub(/^[ \t]*\*/, "")
	result_add($0)
	next
}
match($0, /@return[ \t]/) {
	before = substr($0, 1, RSTART - 1)
	text = ""
	result_add(substr($0, RSTART + RLENGTH))
	next
}
# Documented declarations of structs, which doxygen passes over, become types.
commented && /^struct [a-zA-Z_0-9]+;$/ {
	sub(/;/, "")
	$0 = "typedef " $0 " " $2 ";"
}
{
	commented = /\*\/$/
	print
}
