# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Turns lines "TYPE ROW CLIENT>SERVER METRIC VALUE UNIT" into a table: medians, and how
# many times better libqbipc is than libqb when both ends use it (for rates the quotient,
# for everything else its inverse). Lines of type "other" name what was measured in the
# third field and make a second table. Variables: format (text, markdown, json), machine.
# Needs figures.awk.

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
		if (!(($1) in seen))
			types[++n_types] = $1
		seen[$1] = 1
		unit[key] = $6
	}
	values[key, $3] = values[key, $3] " " $5
}

END {
	n_pairs = split("libqb>libqb qbipc>qbipc qbipc>libqb libqb>qbipc", pairs, " ")
	if (format == "json")
		print_json()
	else {
		print machine
		print ""
		for (i = 1; i <= n_types; i++)
			print_table(types[i])
		if (n_others > 0)
			print_others()
	}
}

function figure(key, pair)
{
	if (!((key, pair) in values))
		return "-"
	return number(median(values[key, pair]))
}

function ratio(key,    theirs, ours, parts)
{
	if (!((key, pairs[1]) in values) || !((key, pairs[2]) in values))
		return "-"
	theirs = median(values[key, pairs[1]])
	ours = median(values[key, pairs[2]])
	split(key, parts, SUBSEP)
	if (parts[3] == "rate")
		return theirs > 0 ? sprintf("%.2f", ours / theirs) : "-"
	return ours > 0 ? sprintf("%.2f", theirs / ours) : "-"
}

function print_table(type,    i, parts, line)
{
	line = format == "markdown" ? "| %s | %s | %s | %s | %s | %s | %s | %s |\n" \
		: "%-22s %-11s %-5s %9s %9s %7s %11s %11s\n"
	printf line, type, "figure", "unit", "libqb", "libqbipc", "better", \
		"ours>libqb", "libqb>ours"
	if (format == "markdown")
		print "|---|---|---|---:|---:|---:|---:|---:|"
	for (i = 1; i <= n_keys; i++) {
		split(order[i], parts, SUBSEP)
		if (parts[1] == type)
			printf line, parts[2], parts[3], unit[order[i]], \
				figure(order[i], pairs[1]), figure(order[i], pairs[2]), \
				ratio(order[i]), figure(order[i], pairs[3]), \
				figure(order[i], pairs[4])
	}
	print ""
}

function print_others(    i, line)
{
	line = format == "markdown" ? "| %s | %s | %s | %s | %s | %s |\n" \
		: "%-22s %9s %9s %9s %12s %9s\n"
	printf line, "64 bytes", "call p50", "p99", "cpu, us", "messages/s", "cpu, us"
	if (format == "markdown")
		print "|---|---:|---:|---:|---:|---:|"
	for (i = 1; i <= n_others; i++)
		print_other(line, others[i], "other", others[i])
	print_other(line, "libqb, shm", "shm", pairs[1])
	print_other(line, "libqbipc, shm", "shm", pairs[2])
	print ""
}

function print_other(line, name, type, who)
{
	if (!((type, "roundtrip-64", "p50", who) in values))
		return
	printf line, name, figure(type SUBSEP "roundtrip-64" SUBSEP "p50", who), \
		figure(type SUBSEP "roundtrip-64" SUBSEP "p99", who), \
		figure(type SUBSEP "roundtrip-64" SUBSEP "cpu", who), \
		figure(type SUBSEP "oneway-64" SUBSEP "rate", who), \
		figure(type SUBSEP "oneway-64" SUBSEP "cpu", who)
}

function print_json(    i, p, parts, list)
{
	gsub(/["\\]/, "", machine)
	printf "{\"machine\": \"%s\", \"rows\": [", machine
	for (i = 1; i <= n_keys; i++) {
		split(order[i], parts, SUBSEP)
		printf "%s\n  {\"type\": \"%s\", \"row\": \"%s\", \"figure\": \"%s\"," \
			" \"unit\": \"%s\"", (i > 1 ? "," : ""), parts[1], parts[2], parts[3], \
			unit[order[i]]
		for (p = 1; p <= n_pairs; p++) {
			if (!((order[i], pairs[p]) in values))
				continue
			list = values[order[i], pairs[p]]
			printf ", \"%s\": {\"median\": %.6g", pairs[p], median(list)
			gsub(/ /, ", ", list)
			printf ", \"runs\": [%s]}", substr(list, 3)
		}
		printf "}"
	}
	print "\n]}"
}
