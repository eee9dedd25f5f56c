# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Turns lines "TYPE ROW CLIENT>SERVER METRIC VALUE UNIT" into a table: medians, how far the
# runs lie apart, how many times better libqbipc is than libqb when both ends use it (for rates
# the quotient, for everything else its inverse), and whether the bound of the figure holds.
# Lines of type "floor" and "other" name what was measured in the third field, and make tables
# of their own. Variables: format (text, markdown, csv, json), machine, bounds_file. Needs
# figures.awk and bounds.awk.

BEGIN {
	theirs = "libqb>libqb"
	ours = "qbipc>qbipc"
	n_pairs = split(theirs " " ours " qbipc>libqb libqb>qbipc", pairs, " ")
	bounds_read(bounds_file)
}

$1 == "other" {
	if (!($3 in seen))
		others[++n_others] = $3
	seen[$3] = 1
	values["other", $2, $4, $3] = values["other", $2, $4, $3] " " $5
	next
}

{
	key = $1 SUBSEP $2 SUBSEP $4
	if (!(key in unit)) {
		order[++n_keys] = key
		if (!(($1) in seen) && $1 != "floor")
			types[++n_types] = $1
		seen[$1] = 1
		unit[key] = $6
	}
	values[key, $3] = values[key, $3] " " $5
	if ($3 == pairs[3] || $3 == pairs[4])
		mixed = 1
}

END {
	if (bad_bounds)
		exit 1
	if (format == "json")
		print_json()
	else if (format == "csv")
		print_csv()
	else {
		print machine
		print ""
		for (i = 1; i <= n_types; i++)
			print_table(types[i])
		if ("floor" in seen)
			print_floor()
		if (n_others > 0)
			print_others()
		print_sum()
	}
}

# figure KEY WHO: of values
function figure(key, who)
{
	return (key, who) in values ? number(median(values[key, who])) : "-"
}

# From the lowest to the highest run, in percent of the median.
function spread(key, who,    m)
{
	if (!((key, who) in values))
		return "-"
	m = median(values[key, who])
	return m > 0 && split(values[key, who], runs, " ") > 1 ? \
		sprintf("%.0f%%", (highest(values[key, who]) - lowest(values[key, who])) * 100 / m) \
		: "-"
}

function ratio(key,    a, b, parts)
{
	if (!((key, theirs) in values) || !((key, ours) in values))
		return "-"
	a = median(values[key, theirs])
	b = median(values[key, ours])
	split(key, parts, SUBSEP)
	if (parts[3] == "rate")
		return a > 0 ? sprintf("%.2f", b / a) : "-"
	return b > 0 ? sprintf("%.2f", a / b) : "-"
}

# One line of a table from the words of a list that are separated by tabs.
function print_line(words, widths,    w, f, i, n, line)
{
	n = split(words, f, "\t")
	split(widths, w, " ")
	if (format == "markdown") {
		line = "|"
		for (i = 1; i <= n; i++)
			line = line " " f[i] " |"
	} else
		for (i = 1; i <= n; i++)
			line = line sprintf("%" w[i] "s%s", f[i], i < n ? " " : "")
	sub(/ +$/, "", line)
	print line
}

function print_rule(kinds)
{
	if (format == "markdown") {
		gsub(/l/, "---|", kinds)
		gsub(/r/, "---:|", kinds)
		print "|" kinds
	}
}

# The reader of a bound wants to see by how much it is missed.
function holds(i, key,    answer)
{
	answer = bound_holds(i, key)
	if (answer == "-")
		return answer
	verdicts[answer]++
	return answer " (" sprintf("%.3f", bound_measured(i, key)) ")"
}

function print_table(type,    i, b, key, parts, line, widths)
{
	widths = "-27 -12 -5 9 6 9 6 7 -32 -12" (mixed ? " 11 11" : "")
	print_line(type "\tfigure\tunit\tlibqb\tspread\tlibqbipc\tspread\tbetter\tbound" \
		"\treached" (mixed ? "\tours>libqb\tlibqb>ours" : ""), widths)
	print_rule("lllrrrrrll" (mixed ? "rr" : ""))
	for (i = 1; i <= n_keys; i++) {
		key = order[i]
		split(key, parts, SUBSEP)
		if (parts[1] != type)
			continue
		b = bound_find(key)
		line = parts[2] "\t" parts[3] "\t" unit[key] "\t" figure(key, theirs) "\t" \
			spread(key, theirs) "\t" figure(key, ours) "\t" spread(key, ours) \
			"\t" ratio(key) "\t" bound_text(b) "\t" holds(b, key)
		if (mixed)
			line = line "\t" figure(key, pairs[3]) "\t" figure(key, pairs[4])
		print_line(line, widths)
	}
	print ""
}

function print_floor(    i, key, parts, widths)
{
	widths = "-27 -12 -5 9 6"
	print_line("floor\tfigure\tunit\tmachine\tspread", widths)
	print_rule("lllrr")
	for (i = 1; i <= n_keys; i++) {
		key = order[i]
		split(key, parts, SUBSEP)
		if (parts[1] == "floor")
			print_line(parts[2] "\t" parts[3] "\t" unit[key] "\t" \
				figure(key, "floor") "\t" spread(key, "floor"), widths)
	}
	print ""
}

function print_sum()
{
	if (verdicts["yes"] + verdicts["no"] > 0)
		printf "bounds reached: %d of %d\n", verdicts["yes"], \
			verdicts["yes"] + verdicts["no"]
}

function print_others(    i, widths)
{
	widths = "-22 9 9 9 12 9"
	print_line("64 bytes\tcall p50\tp99\tcpu, us\tmessages/s\tcpu, us", widths)
	print_rule("lrrrrr")
	print_other("ring", "floor", "floor", widths)
	for (i = 1; i <= n_others; i++)
		print_other(others[i], "other", others[i], widths)
	print_other("libqb, shm", "shm", theirs, widths)
	print_other("libqbipc, shm", "shm", ours, widths)
	print ""
}

function print_other(name, type, who, widths)
{
	if (((type, "roundtrip-64", "p50", who) in values))
		print_line(name "\t" figure(type SUBSEP "roundtrip-64" SUBSEP "p50", who) "\t" \
			figure(type SUBSEP "roundtrip-64" SUBSEP "p99", who) "\t" \
			figure(type SUBSEP "roundtrip-64" SUBSEP "cpu", who) "\t" \
			figure(type SUBSEP "oneway-64" SUBSEP "rate", who) "\t" \
			figure(type SUBSEP "oneway-64" SUBSEP "cpu", who), widths)
}

# exact KEY WHO: of values, without thousands
function exact(key, who)
{
	return (key, who) in values ? sprintf("%.6g", median(values[key, who])) : ""
}

function print_csv(    i, b, key, parts, who)
{
	print "type,row,figure,unit,libqb,libqb_spread,libqbipc,libqbipc_spread,better,bound," \
		"measured,reached"
	for (i = 1; i <= n_keys; i++) {
		key = order[i]
		split(key, parts, SUBSEP)
		who = parts[1] == "floor" ? "floor" : ours
		b = bound_find(key)
		printf "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n", parts[1], parts[2], parts[3], \
			unit[key], exact(key, theirs), spread(key, theirs), exact(key, who), \
			spread(key, who), ratio(key), bound_text(b), bound_measured(b, key), \
			bound_holds(b, key)
	}
}

function print_json(    i, b, p, parts, n)
{
	gsub(/["\\]/, "", machine)
	printf "{\"machine\": \"%s\", \"rows\": [", machine
	for (i = 1; i <= n_keys; i++) {
		split(order[i], parts, SUBSEP)
		printf "%s\n  {\"type\": \"%s\", \"row\": \"%s\", \"figure\": \"%s\"," \
			" \"unit\": \"%s\"", (n++ ? "," : ""), parts[1], parts[2], parts[3], \
			unit[order[i]]
		for (p = 1; p <= n_pairs; p++)
			print_runs(order[i], pairs[p])
		print_runs(order[i], "floor")
		b = bound_find(order[i])
		if (bound_measured(b, order[i]) != "")
			printf ", \"bound\": {\"text\": \"%s\", \"measured\": %.6g," \
				" \"reached\": %s}", bound_text(b), \
				bound_measured(b, order[i]), \
				bound_holds(b, order[i]) == "yes" ? "true" : "false"
		printf "}"
	}
	print "\n]}"
}

function print_runs(key, who,    list)
{
	if (!((key, who) in values))
		return
	list = values[key, who]
	printf ", \"%s\": {\"median\": %.6g", who, median(list)
	gsub(/ /, ", ", list)
	printf ", \"runs\": [%s]}", substr(list, 3)
}
