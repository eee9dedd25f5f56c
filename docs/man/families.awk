# SPDX-License-Identifier: LGPL-2.1-or-later
# After parse.awk: which items are on which page. Wants -v pages=FILE; that file tells
# its format. Gives
#
#	page[p], about[p], page_header[p], page_of[name], n_on[p], on[p, k], also[p],
#	intro[p]	item of the comment that opens the page, or 0
#	problems	things that do not fit together, already reported

function problem(where, what)
{
	print where ": " what >"/dev/stderr"
	problems++
}

function page_new(n, h)
{
	page[++n_pages] = n
	page_header[n_pages] = h
	about[n_pages] = also[n_pages] = ""
	n_on[n_pages] = intro[n_pages] = 0
	page_is[n] = 1
	return n_pages
}

function page_put(p, n)
{
	if (n in page_of)
		problem(pages, n " is on two pages")
	page_of[n] = page[p]
	on[p, ++n_on[p]] = item_of[n]
}

function header_comment(h,    i)
{
	for (i = 1; i <= n_items; i++)
		if (kind[i] == "file" && header[i] == h)
			return i
	problem(h, "no comment with @file")
	return 0
}

# The items of a text of @return, which semicolons part, and the colon of "errno:".
function return_split(s, parts,    at)
{
	at = 1
	while (match(substr(s, at), /: -?E[A-Z0-9]+[ ,]/)) {
		at += RSTART
		s = substr(s, 1, at - 1) ";" substr(s, at)
	}
	return split(s, parts, /; /)
}

# What the first sentence of s begins with, up to a colon, beginning in lower case.
function first_sentence(s)
{
	s = squeeze(s)
	if (match(s, /[.:;]( |$)/))
		s = substr(s, 1, RSTART - 1)
	if (s ~ /^[A-Z][a-z]/)
		s = tolower(substr(s, 1, 1)) substr(s, 2)
	return s
}

function pages_read(    l, n, words, k)
{
	while ((getline l <pages) > 0) {
		n = split(l, words, /[ \t]+/)
		if (words[1] == "page") {
			page_new(words[2], words[3])
			listed[words[3]] = 1
		} else if (words[1] == "is") {
			sub(/^is[ \t]+/, "", l)
			about[n_pages] = l
		} else if (words[1] == "also") {
			also[n_pages] = also[n_pages] " " substr(l, 6)
		} else if (words[1] == "begins-with-header") {
			intro[n_pages] = header_comment(page_header[n_pages])
		} else if (words[1] == "has") {
			for (k = 2; k <= n; k++)
				if (!(words[k] in item_of))
					problem(pages, words[k] " is nowhere documented")
				else
					page_put(n_pages, words[k])
		}
	}
	close(pages)
}

function pages_of_other_headers(    h, i, p, n)
{
	for (h = 1; h <= n_headers; h++) {
		if (headers[h] in listed || headers[h] == "qb/qbdefs.h")
			continue
		n = headers[h]
		sub(/^qb(ipc)?\//, "", n)
		sub(/\.h$/, "", n)
		gsub(/[\/-]/, "_", n)
		p = page_new(n ~ /^qbipc_/ ? n : "qbipc_" n, headers[h])
		intro[p] = header_comment(headers[h])
		if (intro[p])
			about[p] = first_sentence(text[intro[p]])
		for (i = 1; i <= n_items; i++)
			if (header[i] == headers[h] && kind[i] != "file")
				page_put(p, name[i])
	}
}

END {
	pages_read()
	pages_of_other_headers()
}
