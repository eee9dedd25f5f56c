# SPDX-License-Identifier: LGPL-2.1-or-later
# Filter of doxygen for a guide, whose name is the argument. Headings get the anchors that
# other viewers of Markdown make of them (numbered from the second on), with the guide's
# name before; links to guides and their headings lead there; links to files that are not
# part of the manual become text.

function stem(path)
{
	sub(/.*\//, "", path)
	sub(/\.md$/, "", path)
	return path
}

function anchor_of(heading)
{
	heading = tolower(heading)
	gsub(/[^a-z0-9_ -]/, "", heading)
	gsub(/ /, "-", heading)
	return heading
}

function link(text, target,    file, place)
{
	if (target ~ /^[a-z]+:/)
		return "[" text "](" target ")"
	file = place = target
	sub(/#.*/, "", file)
	if (!sub(/^[^#]*#/, "", place))
		place = ""
	if (file == "README.md" && FILENAME ~ /docs\//)
		return "[" text "](pages.html)"
	if (file != "" && file !~ /\.md$/)
		return file ~ /\.(svg|png)$/ ? "[" text "](" target ")" : text
	if (file ~ /docs\/README\.md$/)
		return "[" text "](pages.html)"
	if (stem(file) !~ /^[a-z]/ && stem(file) !~ /^(NEWS|CONTRIBUTING|SECURITY)?$/)
		return file ~ /README\.md$/ ? "[" text "](index.html)" : text
	file = file == "" ? stem(FILENAME) : stem(file)
	return "[" text "](@ref guide-" file (place != "" ? "-" place : "") ")"
}

function links(line,    out, text, target)
{
	out = ""
	while (match(line, /\[[^][]*\]\([^()]*\)/)) {
		text = target = substr(line, RSTART, RLENGTH)
		out = out substr(line, 1, RSTART - 1)
		line = substr(line, RSTART + RLENGTH)
		sub(/^\[/, "", text)
		sub(/\]\(.*/, "", text)
		sub(/^\[[^]]*\]\(/, "", target)
		sub(/\)$/, "", target)
		out = out link(text, target)
	}
	return out line
}

/^[ ]*```/ { code = !code }

!code && /^#+ / {
	level = index($0, " ") - 1
	title = substr($0, level + 2)
	place = level == 1 ? "" : "-" anchor_of(title)
	if (seen[place]++)
		place = place "-" seen[place] - 1
	if (FILENAME ~ /(^|\/)docs\// || FILENAME !~ /README/ || level > 1)
		$0 = $0 " {#guide-" stem(FILENAME) place "}"
	print
	next
}

{ print code ? $0 : links($0) }
