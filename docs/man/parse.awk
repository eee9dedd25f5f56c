# SPDX-License-Identifier: LGPL-2.1-or-later
# Reads the documented declarations of headers into arrays, for mdoc.awk and lint.awk,
# which start when all files are read. Plain awk: mawk and gawk give the same.
#
# What counts is a comment that starts with two stars and the declaration after it:
#
#	/**
#	 * What it does.
#	 *
#	 * @param name  text
#	 * @return      text; -ERRNO text; -ERRNO text
#	 * @note        text
#	 * @note        Threads: text
#	 */
#
# A comment with @file is about the whole header. An item i has
#
#	header[i] line[i]	where it is; the header as it is included
#	kind[i] name[i]		file, function, callback, type, struct, enum, macro
#	decl[i]			the declaration; that of a struct or enum with its lines
#	text[i]			description; lines, with indentation
#	n_params[i], pname[i, k], ptext[i, k]	what the comment says of parameters
#	n_args[i], aname[i, k], adecl[i, k]	what the declaration says of them
#	ret[i]			text of @return
#	n_notes[i], note[i, k]	notes; one that starts with "Threads:" is threads[i]
#	n_members[i], mname[i, k], mtext[i, k]	of structs and enums
# and item_of[name] leads to it.

function squeeze(s)
{
	gsub(/[ \t\n]+/, " ", s)
	sub(/^ /, "", s)
	sub(/ $/, "", s)
	return s
}

# s without comments
function bare(s,    from, to)
{
	while ((from = index(s, "/*")) > 0) {
		to = index(substr(s, from), "*/")
		if (to == 0)
			return substr(s, 1, from - 1)
		s = substr(s, 1, from - 1) " " substr(s, from + to + 1)
	}
	return s
}

# -- Comments ------------------------------------------------------------------

function comment_begin()
{
	in_comment = 1
	doc_text = doc_ret = doc_file = doc_tag = ""
	doc_params = doc_notes = 0
	doc_line = FNR
}

# One line of the comment, without its star.
function comment_line(s,    word, at)
{
	sub(/[ \t]+$/, "", s)
	if (s ~ /^ *@(param|return|returns|retval|note|file)([ \t]|$)/) {
		sub(/^ */, "", s)
		doc_tag = s
		sub(/[ \t].*/, "", doc_tag)
		sub(/^@[a-z]+[ \t]*/, "", s)
		if (doc_tag == "@file") {
			doc_file = s
			doc_tag = ""
			return
		}
		if (doc_tag == "@param") {
			word = s
			sub(/[ \t].*/, "", word)
			sub(/^[^ \t]+[ \t]*/, "", s)
			doc_pname[++doc_params] = word
			doc_ptext[doc_params] = ""
		}
		if (doc_tag == "@note")
			doc_note[++doc_notes] = ""
	}
	# "/** A job's turn has come. @param data as given */"
	if (doc_tag == "" && match(s, /[^ ] @param /)) {
		at = RSTART
		comment_line(substr(s, 1, at))
		comment_line(substr(s, at + 2))
		return
	}
	if (doc_tag == "")
		doc_text = doc_text s "\n"
	else if (doc_tag == "@param")
		doc_ptext[doc_params] = squeeze(doc_ptext[doc_params] " " s)
	else if (doc_tag == "@note")
		doc_note[doc_notes] = squeeze(doc_note[doc_notes] " " s)
	else
		doc_ret = squeeze(doc_ret " " s)
}

function comment_end()
{
	in_comment = 0
	sub(/^\n+/, "", doc_text)
	sub(/\n+$/, "", doc_text)
	declaration = ""
	if (doc_file != "") {
		item_new("file", doc_file, "")
		have_comment = 0
	} else {
		have_comment = 1
	}
}

# -- Declarations --------------------------------------------------------------

function item_new(k, n, d,    i, p)
{
	i = ++n_items
	kind[i] = k
	name[i] = n
	decl[i] = d
	header[i] = header_name
	line[i] = doc_line
	text[i] = doc_text
	ret[i] = doc_ret
	n_params[i] = doc_params
	for (p = 1; p <= doc_params; p++) {
		pname[i, p] = doc_pname[p]
		ptext[i, p] = doc_ptext[p]
	}
	n_notes[i] = 0
	threads[i] = ""
	for (p = 1; p <= doc_notes; p++) {
		if (doc_note[p] ~ /^Threads: /)
			threads[i] = substr(doc_note[p], 10)
		else
			note[i, ++n_notes[i]] = doc_note[p]
	}
	n_args[i] = n_members[i] = 0
	if (k != "file")
		item_of[n] = i
	have_comment = 0
	return i
}

# Which character of s closes what is open at its beginning?
function closing(s,    i, c, depth)
{
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && --depth == 0)
			return i
	}
	return 0
}

function arg_add(i, s,    n)
{
	s = squeeze(s)
	if (s == "" || s == "void")
		return
	n = s
	if (match(n, /\(\*[a-zA-Z_0-9]+\)/)) {
		n = substr(n, RSTART + 2, RLENGTH - 3)
	} else {
		sub(/[ ]*\[.*/, "", n)
		sub(/^.*[^a-zA-Z_0-9.]/, "", n)
	}
	aname[i, ++n_args[i]] = n
	adecl[i, n_args[i]] = s
}

# The parameters between the parentheses that s begins with.
function args_split(i, s,    k, c, depth, one)
{
	s = substr(s, 2, closing(s) - 2)
	one = ""
	depth = 0
	for (k = 1; k <= length(s); k++) {
		c = substr(s, k, 1)
		depth += (c == "(") - (c == ")")
		if (c == "," && depth == 0) {
			arg_add(i, one)
			one = ""
		} else {
			one = one c
		}
	}
	arg_add(i, one)
}

# Members of a struct, or values of an enum, with what is said before or behind them.
function members_split(i, body,    delimiter, before, behind, said, n, at, end)
{
	delimiter = kind[i] == "enum" ? "[,}]" : "[;}]"
	before = behind = n = ""
	while (match(body, delimiter)) {
		end = RSTART
		at = index(body, "/*")
		if (at > 0 && at < end) {
			n = n substr(body, 1, at - 1)
			body = substr(body, at)
			said = substr(body, 1, index(body, "*/") - 1)
			body = substr(body, index(body, "*/") + 2)
			if (said !~ /^\/\*\*/)
				continue
			if (said !~ /^\/\*\*</)
				before = said_clean(said)
			else if (squeeze(n) == "")
				mtext[i, n_members[i]] = said_clean(said)
			else
				behind = said_clean(said)
			continue
		}
		n = squeeze(n substr(body, 1, end - 1))
		if (n != "") {
			mname[i, ++n_members[i]] = member_name(kind[i], n)
			mtext[i, n_members[i]] = before behind
		}
		if (substr(body, end, 1) == "}")
			return
		body = substr(body, end + 1)
		before = behind = n = ""
	}
}

function member_name(k, n)
{
	gsub(/ ?__attribute__ ?\(\([^;]*\)\)/, "", n)
	if (match(n, /\(\*[a-zA-Z_0-9]+\)/))
		return substr(n, RSTART + 2, RLENGTH - 3)
	sub(k == "enum" ? " ?=.*" : " ?\\[.*", "", n)
	sub(/^.*[^a-zA-Z_0-9]/, "", n)
	return n
}

function said_clean(s)
{
	sub(/^\/\*\*<?/, "", s)
	gsub(/\n[ \t]*\*/, "\n", s)
	return squeeze(s)
}

function declaration_end(    d, n, i)
{
	d = squeeze(bare(declaration))
	sub(/^(static inline|static|extern|inline) /, "", d)
	sub(/^inline /, "", d)
	if (d ~ /^typedef [^{]*\(\*[a-zA-Z_0-9]+\)/) {
		match(d, /\(\*[a-zA-Z_0-9]+\)/)
		n = substr(d, RSTART + 2, RLENGTH - 3)
		i = item_new("callback", n, d)
		args_split(i, substr(d, RSTART + RLENGTH))
	} else if (d ~ /^(typedef )?(struct|enum)( [a-zA-Z_0-9]+)?( __attribute__ ?\(\([^{]*\)\))? ?\{/) {
		n = d
		if (d ~ /^typedef/) {
			sub(/ ?;$/, "", n)
			sub(/^.*[^a-zA-Z_0-9]/, "", n)
		} else {
			split(d, words, " ")
			n = words[2]
		}
		i = item_new(d ~ /^(typedef )?struct/ ? "struct" : "enum", n, declaration)
		members_split(i, substr(declaration, index(declaration, "{") + 1))
	} else if (d ~ /^typedef |^struct [a-zA-Z_0-9]+ ?;$/) {
		n = d
		sub(/ ?;$/, "", n)
		sub(/^.*[^a-zA-Z_0-9]/, "", n)
		item_new("type", n, d)
	} else if (match(d, /[a-zA-Z_0-9]+ ?\(/)) {
		n = substr(d, RSTART, RLENGTH - 1)
		sub(/ $/, "", n)
		i = item_new("function", n, substr(d, 1, RSTART - 1) n)
		args_split(i, substr(d, RSTART + RLENGTH - 1))
	}
	declaration = ""
	have_comment = 0
}

function depth_of(s,    opened, closed, copy)
{
	copy = s
	opened = gsub(/[({]/, "", copy)
	closed = gsub(/[)}]/, "", copy)
	return opened - closed
}

FNR == 1 {
	header_name = FILENAME
	sub(/^.*include\//, "", header_name)
	in_comment = have_comment = 0
	headers[++n_headers] = header_name
}

!in_comment && !declaration && /^[ \t]*\/\*\*([^<*\/]|$)/ {
	comment_begin()
	s = $0
	sub(/^[ \t]*\/\*\*/, "", s)
	if (index(s, "*/")) {
		comment_line(squeeze(substr(s, 1, index(s, "*/") - 1)))
		comment_end()
	} else if (s !~ /^[ \t]*$/) {
		comment_line(squeeze(s))
	}
	next
}

in_comment {
	s = $0
	ends = index(s, "*/")
	if (ends)
		s = substr(s, 1, ends - 1)
	sub(/^[ \t]*\*? ?/, "", s)
	if (!ends || s !~ /^[ \t]*$/)
		comment_line(s)
	if (ends)
		comment_end()
	next
}

have_comment && declaration == "" && /^#[ \t]*define/ {
	n = $2
	sub(/\(.*/, "", n)
	item_new("macro", n, squeeze(bare($0)))
	next
}

have_comment && declaration == "" && (/^#/ || /^[ \t]*$/) {
	next
}

have_comment {
	declaration = declaration $0 "\n"
	plain = squeeze(bare(declaration))
	# A prototype or a type ends with its semicolon, a definition before its body.
	if (plain ~ /;$/ && depth_of(plain) == 0)
		declaration_end()
	else if (plain ~ /\) ?\{$/ && plain !~ /^(typedef )?(struct|enum)/ ) {
		sub(/[ \t\n]*\{[ \t\n]*$/, ";", declaration)
		declaration_end()
	}
}
