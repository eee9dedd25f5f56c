# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The file of bounds: which one a figure has, and whether it holds. report.awk keeps the
# medians in @values, by "TYPE SUBSEP ROW SUBSEP FIGURE" and who.

function bounds_read(file,    line, f)
{
	while ((getline line <file) > 0) {
		if (line ~ /^[ \t]*(#|$)/)
			continue
		if (split(line, f, /[ \t]+/) != 6 || (f[4] != "most" && f[4] != "least") ||
		    f[5] !~ /^[0-9.]+$/) {
			print "bench: " file ": " line ": not a bound" >"/dev/stderr"
			bad_bounds = 1
			exit 1
		}
		bound_type[++n_bounds] = matcher(f[1])
		bound_row[n_bounds] = matcher(f[2])
		bound_figure[n_bounds] = matcher(f[3])
		bound_sign[n_bounds] = f[4] == "most" ? "<=" : ">="
		bound_factor[n_bounds] = f[5]
		bound_of[n_bounds] = f[6]
	}
	close(file)
}

# Of the shell's patterns those with asterisks.
function matcher(pattern)
{
	gsub(/[.+?(){}|^$\[\]\\]/, "[&]", pattern)
	gsub(/\*/, ".*", pattern)
	return "^" pattern "$"
}

# The number of the bound of a figure; 0: none.
function bound_find(key,    i, parts)
{
	split(key, parts, SUBSEP)
	for (i = 1; i <= n_bounds; i++)
		if (parts[1] ~ bound_type[i] && parts[2] ~ bound_row[i] &&
		    parts[3] ~ bound_figure[i])
			return i
	return 0
}

# What the factor of bound @i is of, for @key: its place in @values, or "" if that was not
# measured.
function bound_base(i, key,    parts, of, who, type)
{
	split(key, parts, SUBSEP)
	split(bound_of[i], of, ":")
	type = of[1] == "floor" ? "floor" : parts[1]
	who = of[1] == "floor" ? "floor" : of[1] == "libqb" ? theirs : ours
	key = type SUBSEP (of[2] == "" ? parts[2] : of[2]) SUBSEP parts[3]
	return (key, who) in values ? key SUBSEP who : ""
}

# In words.
function bound_text(i,    of)
{
	if (!i)
		return "-"
	of = bound_of[i]
	return bound_sign[i] " " bound_factor[i] (of == "-" ? "" : " " of)
}

# What is compared with the factor: the figure, or its ratio. "": cannot be told.
function bound_measured(i, key,    base, own)
{
	if (!i || !((key, ours) in values))
		return ""
	own = median(values[key, ours])
	if (bound_of[i] == "-")
		return own
	base = bound_base(i, key)
	if (base == "" || median(values[base]) <= 0)
		return ""
	return own / median(values[base])
}

# yes, no, or "-" where it cannot be told.
function bound_holds(i, key,    x)
{
	x = bound_measured(i, key)
	if (x == "")
		return "-"
	return (bound_sign[i] == "<=" ? x <= bound_factor[i] + 0 : x >= bound_factor[i] + 0) \
		? "yes" : "no"
}
