# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What report.awk and curves.awk do with figures.

# Of the numbers in a list with spaces between them.
function median(list,    v, n, i, j, t)
{
	n = split(list, v, " ")
	for (i = 2; i <= n; i++) {
		t = v[i] + 0
		for (j = i - 1; j >= 1 && v[j] + 0 > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
	return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
}

function lowest(list,    v, n, low)
{
	for (n = split(list, v, " "); n > 0; n--)
		low = low == "" || v[n] + 0 < low ? v[n] + 0 : low
	return low
}

function highest(list,    v, n, high)
{
	for (n = split(list, v, " "); n > 0; n--)
		high = high == "" || v[n] + 0 > high ? v[n] + 0 : high
	return high
}

# Three digits that count, without exponents; large figures in thousands and millions.
function number(x)
{
	if (x >= 1e6)
		return sprintf("%.3g", x / 1e6) "M"
	if (x >= 1e4)
		return sprintf("%.3g", x / 1e3) "k"
	if (x >= 100 || x <= -100)
		return sprintf("%.0f", x)
	return sprintf("%.3g", x)
}
