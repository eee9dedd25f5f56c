# SPDX-License-Identifier: LGPL-2.1-or-later
# Sum of the single test cases, from the .trs files that automake's tap-driver.sh wrote,
# which are the arguments. Why something was skipped is in the .log next to each.
#
# A program that failed without a failed case (it crashed, planned other cases than ran, or
# left no outcome at all) has one failure; one with failed cases has those and no more.
#
# Prints "passed P", "failed F", "skipped S", then one "skip REASON" for each reason.

function reasons_read(log_file,    line, reason)
{
	while ((getline line < log_file) > 0) {
		if (line !~ /^(ok .*|1\.\.0+ )# [Ss][Kk][Ii][Pp]/)
			continue
		reason = line
		sub(/.*# [Ss][Kk][Ii][Pp][a-z]*:? */, "", reason)
		reasons[reason != "" ? reason : log_file " gives no reason"]
	}
	close(log_file)
}

function program_read(trs_file,    line, n, global, log_file)
{
	split("", n)
	global = ""
	while ((getline line < trs_file) > 0) {
		if (sub(/^:test-result: /, "", line)) {
			sub(/ .*/, "", line)
			n[line]++
		} else if (sub(/^:global-test-result: /, "", line)) {
			global = line
		}
	}
	close(trs_file)

	passed += n["PASS"] + n["XFAIL"]
	skipped += n["SKIP"]
	if (n["FAIL"] + n["XPASS"] > 0)
		failed += n["FAIL"] + n["XPASS"]
	else if (n["ERROR"] > 0 || global != "PASS" && global != "SKIP")
		failed++
	if (n["SKIP"] > 0) {
		log_file = trs_file
		sub(/\.trs$/, ".log", log_file)
		reasons_read(log_file)
	}
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
