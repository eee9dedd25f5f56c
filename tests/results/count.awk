# SPDX-License-Identifier: LGPL-2.1-or-later
# Sum of the single test cases in automake's .log files, which are the arguments; next to
# each lies the .trs file with the outcome of the whole program.
#
# Understood: TAP ("ok", "not ok", "# SKIP") and the totals that Check prints. A program
# that prints neither is one case. One that failed without a failed case (it crashed, or
# a case never ran) has one failure more.
#
# Prints "passed P", "failed F", "skipped S", then one "skip REASON" for each reason.

function outcome_read(log_file,    trs, line, result)
{
	trs = log_file
	sub(/\.log$/, ".trs", trs)
	result = "ERROR"
	while ((getline line < trs) > 0)
		if (sub(/^:global-test-result: /, "", line))
			result = line
	close(trs)
	return result
}

# One line of a log: counts into ok, not_ok and skip.
function line_read(line,    n)
{
	if (line ~ /^(ok .*|1\.\.0 )# [Ss][Kk][Ii][Pp]/) {
		skip++
		reason = line
		sub(/.*# [Ss][Kk][Ii][Pp][a-z]*:? */, "", reason)
		reasons[reason]
	} else if (line ~ /^ok( |$)/) {
		ok++
	} else if (line ~ /^not ok( |$)/) {
		not_ok++
	} else if (line ~ /^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
		split(line, n, /[^0-9]+/)
		ok += n[2] - n[3] - n[4]
		not_ok += n[3] + n[4]
	}
}

function program_read(log_file,    line, result)
{
	ok = not_ok = skip = 0
	reason = ""
	while ((getline line < log_file) > 0)
		line_read(line)
	close(log_file)

	result = outcome_read(log_file)
	if (ok + not_ok + skip == 0) {
		ok = result == "PASS"
		skip = result == "SKIP"
	}
	if (result == "SKIP" && reason == "")
		reasons[log_file " gives no reason"]
	if (result != "PASS" && result != "SKIP" && not_ok == 0)
		not_ok = 1
	passed += ok
	failed += not_ok
	skipped += skip
}

BEGIN {
	for (i = 1; i < ARGC; i++)
		program_read(ARGV[i])
	print "passed", passed + 0
	print "failed", failed + 0
	print "skipped", skipped + 0
	for (r in reasons)
		print "skip", r
}
