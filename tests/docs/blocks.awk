# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes each fenced block of a document to -v out=DIRECTORY, as DOCUMENT-LINE.LANGUAGE.
# A block in a list loses the indentation of its fence.

/^[ ]*```/ {
	if (file != "") {
		close(file)
		file = ""
		next
	}
	indent = index($0, "`") - 1
	language = $0
	sub(/^[ ]*```/, "", language)
	sub(/ .*/, "", language)
	if (language == "")
		language = "text"
	name = FILENAME
	sub(/^.*\//, "", name)
	sub(/\.md$/, "", name)
	file = out "/" name "-" FNR "." language
	printf "" >file
	next
}

file != "" {
	line = $0
	if (substr(line, 1, indent) ~ /^ *$/)
		line = substr(line, indent + 1)
	print line >file
}

END {
	if (file != "") {
		print FILENAME ": a block does not end" >"/dev/stderr"
		exit 1
	}
}
