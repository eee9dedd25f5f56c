# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Turns lines "shm AXIS-X WHO>WHO METRIC VALUE UNIT" into tables of medians and into drawings
# in the directory @dir, performance-size.svg, -clients.svg, -pace.svg and -pace-cpu.svg: both
# axes logarithmic, lines told apart by marks and dashes, not by colour alone. Other lines do
# not matter. Needs figures.awk. Variables: dir, machine.

{
	# A row of the table, and a point of a curve.
	sub(/^paced-call-/, "pace-", $2)
	if ($1 != "shm" || $2 !~ /^(size|clients|pace)-[0-9]+$/ || $3 !~ /^([a-z]+)>[a-z]+$/)
		next
	split($2, row, "-")
	split($3, ends, ">")
	if (ends[1] != ends[2])
		next
	if (!((row[1], row[2]) in known))
		xs[row[1], ++n_xs[row[1]]] = row[2]
	known[row[1], row[2]] = 1
	key = row[1] SUBSEP $4 SUBSEP ends[1] SUBSEP row[2]
	values[key] = values[key] " " $5
}

END {
	# The axes are logarithmic.
	for (key in values)
		if (median(values[key]) > 0)
			medians[key] = median(values[key])
	# The area that is drawn on, in pixels.
	left = 84; right = 592; top = 52; bottom = 396

	print machine
	print_table("size", "bytes", "p50", "us")
	print_table("size", "bytes", "p99", "us")
	print_table("clients", "clients", "rate", "/s")
	print_table("clients", "clients", "p99", "us")
	print_table("pace", "calls/s", "p50", "us")
	print_table("pace", "calls/s", "p99", "us")
	print_table("pace", "calls/s", "cpu", "us")

	if (has_points("size", "p50")) {
		chart_begin("size", "size", "p50 p99", "Round trip against message size",
			"size of the request, and of its answer",
			"round trip, microseconds")
		chart_line("p99", "libqb", "libqb, p99", "triangle", "2 4")
		chart_line("p50", "libqb", "libqb, median", "circle", "9 5")
		chart_line("p99", "qbipc", "libqbipc, p99", "diamond", "12 4 2 4")
		chart_line("p50", "qbipc", "libqbipc, median", "square", "none")
		chart_end()
	}
	if (has_points("clients", "rate")) {
		chart_begin("clients", "clients", "rate", "Calls against number of clients",
			"clients of one server, each calling without a pause",
			"calls per second, all clients together")
		chart_line("rate", "libqb", "libqb", "circle", "9 5")
		chart_line("rate", "qbipc", "libqbipc", "square", "none")
		chart_end()
	}
	if (has_points("pace", "p50")) {
		chart_begin("pace", "pace", "p50 p99", "Calls at a pace",
			"calls per second; both ends sleep in between",
			"round trip, microseconds")
		chart_line("p99", "libqb", "libqb, p99", "triangle", "2 4")
		chart_line("p50", "libqb", "libqb, median", "circle", "9 5")
		chart_line("p99", "qbipc", "libqbipc, p99", "diamond", "12 4 2 4")
		chart_line("p50", "qbipc", "libqbipc, median", "square", "none")
		chart_end()
	}
	if (has_points("pace", "cpu")) {
		chart_begin("pace-cpu", "pace", "cpu server-cpu", "CPU time of calls at a pace",
			"calls per second; both ends sleep in between",
			"CPU time of a call, microseconds")
		chart_line("cpu", "libqb", "libqb, both ends", "triangle", "2 4")
		chart_line("server-cpu", "libqb", "libqb, server", "circle", "9 5")
		chart_line("cpu", "qbipc", "libqbipc, both", "diamond", "12 4 2 4")
		chart_line("server-cpu", "qbipc", "libqbipc, server", "square", "none")
		chart_end()
	}
}

# Are there two for a line?
function has_points(name, metric,    point, parts, n)
{
	for (point in medians) {
		split(point, parts, SUBSEP)
		if (parts[1] == name && parts[2] == metric)
			n++
	}
	return n > 1
}

function print_table(name, label, metric, metric_unit,    i, x, theirs, ours)
{
	printf "\n%-9s %s, %-4s %9s %9s\n", label, metric, metric_unit, \
		"libqb", "libqbipc"
	for (i = 1; i <= n_xs[name]; i++) {
		x = xs[name, i]
		theirs = name SUBSEP metric SUBSEP "libqb" SUBSEP x
		ours = name SUBSEP metric SUBSEP "qbipc" SUBSEP x
		printf "%-19s %9s %9s\n", x, \
			(theirs in medians ? number(medians[theirs]) : "-"), \
			(ours in medians ? number(medians[ours]) : "-")
	}
}

function out(line)
{
	print line >file
}

function text(x, y, attributes, words)
{
	gsub(/&/, "\\&amp;", words)
	gsub(/</, "\\&lt;", words)
	out(sprintf("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>", x, y, attributes, words))
}

function rule(x1, y1, x2, y2, attributes)
{
	out(sprintf("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>", \
		x1, y1, x2, y2, attributes))
}

# The largest of 1, 2, 5, 10, 20, 50 and so on, and of their tenths, that is not above x.
function step_below(x,    decade)
{
	decade = 1
	x *= 1.0001 # tenths are not exact
	while (decade > x)
		decade /= 10
	while (decade * 10 <= x)
		decade *= 10
	return decade * (x >= 5 * decade ? 5 : x >= 2 * decade ? 2 : 1)
}

function step_after(step)
{
	return step_below(step * 2.5)
}

# Sets bottom_value and top_value, which all lines of the chart share.
function find_range(metrics,    list, n, parts, wanted, i, point, low, high)
{
	n = split(metrics, list, " ")
	for (i = 1; i <= n; i++)
		wanted[list[i]] = 1
	for (point in medians) {
		split(point, parts, SUBSEP)
		if (parts[1] != axis || !(parts[2] in wanted))
			continue
		if (low == "" || medians[point] < low)
			low = medians[point]
		if (high == "" || medians[point] > high)
			high = medians[point]
	}
	bottom_value = step_below(low)
	top_value = step_after(step_below(high))
}

function place_x(x,    first, last)
{
	first = log(xs[axis, 1]) - 0.3
	last = log(xs[axis, n_xs[axis]]) + 0.3
	return left + (log(x) - first) / (last - first) * (right - left)
}

function place_y(y)
{
	return bottom - log(y / bottom_value) / log(top_value / bottom_value) \
		* (bottom - top)
}

function size_name(x)
{
	if (axis != "size")
		return x
	return x >= 1048576 ? x / 1048576 " MiB" : x >= 1024 ? x / 1024 " KiB" : x " B"
}

function value_name(y)
{
	return y >= 1e6 ? y / 1e6 " M" : y >= 1e4 ? y / 1e3 " k" : y ""
}

function chart_begin(name, of_axis, metrics, title, x_label, y_label,    i, x, y, step)
{
	axis = of_axis
	file = dir "/performance-" name ".svg"
	find_range(metrics)
	out("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 480\"" \
		" width=\"780\" height=\"480\" role=\"img\"" \
		" font-family=\"sans-serif\" font-size=\"13\">")
	out("<title>" title ", libqb and libqbipc over shared memory</title>")
	out("<rect width=\"780\" height=\"480\" fill=\"white\"/>")
	text(left, 28, "font-size=\"16\" font-weight=\"bold\"", title)
	for (step = bottom_value; step <= top_value * 1.001; step = step_after(step)) {
		y = place_y(step)
		rule(left, y, right, y, "stroke=\"#ddd\"")
		text(left - 8, y + 4, "text-anchor=\"end\"", value_name(step))
	}
	for (i = 1; i <= n_xs[axis]; i++) {
		x = place_x(xs[axis, i])
		rule(x, top, x, bottom, "stroke=\"#eee\"")
		rule(x, bottom, x, bottom + 5, "stroke=\"black\"")
		text(x, bottom + 20, "text-anchor=\"middle\"", size_name(xs[axis, i]))
	}
	rule(left, bottom, right, bottom, "stroke=\"black\"")
	rule(left, top, left, bottom, "stroke=\"black\"")
	text((left + right) / 2, bottom + 42, "text-anchor=\"middle\"", x_label)
	text(0, 0, "text-anchor=\"middle\" transform=\"translate(22 " \
		(top + bottom) / 2 ") rotate(-90)\"", y_label)
	text(left, bottom + 68, "font-size=\"11\" fill=\"#444\"", machine)
	n_lines = 0
}

function mark(shape, x, y, attributes,    points)
{
	if (shape == "circle") {
		out(sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" %s/>", \
			x, y, attributes))
		return
	}
	points = shape == "square" ? "-4 -4 4 -4 4 4 -4 4" \
		: shape == "diamond" ? "0 -6 6 0 0 6 -6 0" : "0 -6 5.5 4 -5.5 4"
	out(sprintf("<polygon transform=\"translate(%.1f %.1f)\" points=\"%s\" %s/>", \
		x, y, points, attributes))
}

# The marks of libqb are hollow.
function chart_line(metric, who, label, shape, dashes,    colour, fill,
	i, x, y, point, points)
{
	colour = who == "libqb" ? "#8a3800" : "#003c78"
	fill = "stroke=\"" colour "\" stroke-width=\"1.6\" fill=\"" \
		(who == "libqb" ? "white" : colour) "\""
	points = ""
	for (i = 1; i <= n_xs[axis]; i++) {
		x = xs[axis, i]
		point = axis SUBSEP metric SUBSEP who SUBSEP x
		if (point in medians)
			points = points sprintf(" %.1f,%.1f", place_x(x), \
				place_y(medians[point]))
	}
	if (points == "")
		return
	out("<polyline fill=\"none\" stroke=\"" colour "\" stroke-width=\"1.8\"" \
		" stroke-dasharray=\"" dashes "\" points=\"" substr(points, 2) "\"/>")
	for (i = 1; i <= n_xs[axis]; i++) {
		point = axis SUBSEP metric SUBSEP who SUBSEP xs[axis, i]
		if (point in medians)
			mark(shape, place_x(xs[axis, i]), place_y(medians[point]), fill)
	}
	y = top + 12 + 24 * n_lines++
	rule(right + 14, y, right + 52, y, "stroke=\"" colour "\" stroke-width=\"1.8\"" \
		" stroke-dasharray=\"" dashes "\"")
	mark(shape, right + 33, y, fill)
	text(right + 60, y + 4, "", label)
}

function chart_end()
{
	out("</svg>")
	close(file)
}
