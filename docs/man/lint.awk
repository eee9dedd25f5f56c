# SPDX-License-Identifier: LGPL-2.1-or-later
# After parse.awk and families.awk: says what the comments on exported functions lack.
# Wants -v map=FILE, the linker's version script, and -v pages=FILE. Fails if there is
# anything to say.
#
# Each exported function, and each documented function of a header that has its code in
# it, needs
#   * a description, or a text of @return if that says it all
#   * @param for each parameter, in order, with a text; integers with what they count
#   * @return with a text, unless it returns nothing; each errno with its reason
#   * @note Threads:
#   * a place on exactly one page
# Callbacks need the same but the threads: those of the header hold for all.

function complain(i, what)
{
	problem(header[i] ":" line[i] ": " name[i], what)
}

# What a text says an integer is: a unit, a thing that is counted, or a set of values.
function says_unit(s)
{
	return tolower(s) ~ /byte|second|microsecond|nanosecond|number|pieces|descriptor|socket|errno/ ||
		tolower(s) ~ /event|message|request|connection|signal|priority|owner|group/ ||
		tolower(s) ~ /permission|id of|mode|rate|timer|process|version|size|flag/ ||
		s ~ /QB_|QBIPC_|POLL|(^|[^0-9])[01]([^0-9]|$)|^as (for|added|given)/
}

function is_integer(declaration)
{
	return declaration !~ /\*/ &&
		declaration ~ /(^| )(size_t|ssize_t|int|long|u?int(8|16|32|64)_t|unsigned|mode_t)( |$)/
}

function params_check(i,    k)
{
	if (n_params[i] != n_args[i])
		complain(i, n_args[i] " parameters, " n_params[i] " of them documented")
	for (k = 1; k <= n_args[i] && k <= n_params[i]; k++) {
		if (pname[i, k] != aname[i, k])
			complain(i, "parameter " k " is " aname[i, k] ", @param says " pname[i, k])
		else if (ptext[i, k] == "")
			complain(i, "nothing is said of " pname[i, k])
		else if (is_integer(adecl[i, k]) && !says_unit(ptext[i, k]))
			complain(i, "in which unit is " pname[i, k] "?")
	}
}

function returns_nothing(i)
{
	return decl[i] ~ (kind[i] == "callback" ? "^typedef void \\(\\*" : "^void [a-z]")
}

function return_check(i,    n, parts, k)
{
	if (returns_nothing(i)) {
		if (ret[i] != "")
			complain(i, "@return of what returns nothing")
		return
	}
	if (ret[i] == "")
		complain(i, "no @return")
	n = return_split(ret[i], parts)
	for (k = 1; k <= n; k++) {
		# Only this one says it all.
		if (parts[k] ~ /^-?E[A-Z0-9]+$/ && parts[k] !~ /^-?ENOMEM$/)
			complain(i, "why " parts[k] "?")
		# An errno in the middle of an item would not get a line of its own.
		if (parts[k] ~ /[a-z)], -?E[A-Z][A-Z0-9]+([ ,]|$)/)
			complain(i, "a semicolon before each errno: " parts[k])
	}
}

function function_check(i)
{
	if (squeeze(text[i]) == "" && ret[i] == "")
		complain(i, "no description")
	params_check(i)
	return_check(i)
	if (kind[i] == "function" && threads[i] == "")
		complain(i, "no @note Threads:")
	if (!(name[i] in page_of))
		complain(i, "on no page: see docs/man/pages")
}

END {
	while ((getline l <map) > 0) {
		if (l !~ /^[ \t]*qb[a-z0-9_]*;/)
			continue
		gsub(/[ \t;]/, "", l)
		n_exported++
		if (!(l in item_of) || kind[item_of[l]] != "function")
			problem(map, l " has no documentation")
	}
	if (!n_exported)
		problem(map, "no names found")
	for (i = 1; i <= n_items; i++)
		if (kind[i] == "function" || kind[i] == "callback")
			function_check(i)
	for (p = 1; p <= n_pages; p++)
		if (about[p] == "" || n_on[p] == 0)
			problem(pages, page[p] " is empty or has no title")
	exit problems > 0
}
