# SPDX-License-Identifier: LGPL-2.1-or-later
# After parse.awk and families.awk: one page in mdoc(7) per family into -v out=DIRECTORY,
# and one that includes it for each other name. With -v list=1 only the names of the
# files. Wants -v version, -v date (Month day, year) and -v suffix of the files.

# -- Text ----------------------------------------------------------------------

BEGIN {
	split("EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF " \
	      "EBADMSG EBUSY ECANCELED ECHILD ECONNABORTED ECONNREFUSED ECONNRESET " \
	      "EDEADLK EDQUOT EEXIST EFAULT EFBIG EINPROGRESS EINTR EINVAL EIO EISCONN " \
	      "EISDIR ELOOP EMFILE EMSGSIZE ENAMETOOLONG ENFILE ENOBUFS ENODATA ENODEV " \
	      "ENOENT ENOMEM ENOPROTOOPT ENOSPC ENOSYS ENOTCONN ENOTDIR ENOTEMPTY " \
	      "ENOTSOCK ENOTSUP ENXIO EOPNOTSUPP EOVERFLOW EPERM EPIPE EPROTO " \
	      "EPROTONOSUPPORT ERANGE EROFS ESRCH ESTALE ETIMEDOUT ETXTBSY EWOULDBLOCK " \
	      "E2BIG EUSERS EPROTOTYPE EHOSTDOWN EKEYREJECTED EMLINK ENETDOWN EREMOTEIO ESHUTDOWN", e, " ")
	for (i in e)
		is_errno[e[i]] = 1
}

function put(s)
{
	print s >file
}

function escape(s)
{
	gsub(/\\/, "\\e", s)
	return s
}

# Ordinary words gather here, so that a macro can have a line of its own.
function words_put()
{
	if (gathered == "")
		return
	if (gathered ~ /^[.']/)
		gathered = "\\&" gathered
	put(gathered)
	gathered = ""
}

function word_put(w)
{
	gathered = gathered (gathered == "" ? "" : " ") escape(w)
	if (w ~ /[.!?][)"]*$/ || length(gathered) > 76)
		words_put()
}

# A macro between what stood directly before and behind the word.
function macro_put(before, m, behind,    k)
{
	words_put()
	if (before != "")
		m = "Pf " (before == "\"" ? "\\(dq" : before) " " m
	if (behind ~ /^[.,;:)?!]*$/)
		for (k = 1; k <= length(behind); k++)
			m = m " " substr(behind, k, 1)
	else {
		gsub(/"/, "\\(dq", behind)
		m = m " Ns " behind
	}
	put("." m)
}

# The macro that w is to be, or nothing.
function macro_of(w, following,    n)
{
	if (w == "@p" && following != "")
		return "Fa"
	if (w ~ /^[a-z_][a-zA-Z_0-9]*\(\)$/) {
		n = substr(w, 1, length(w) - 2)
		if (page_of[n] == current || !(n in page_of))
			return "Fn " n
		refer(n)
		return "Xr " n " 3"
	}
	if (w ~ /^[a-zA-Z_][a-zA-Z_0-9.-]*\([1-8]\)$/) {
		n = substr(w, 1, length(w) - 3)
		xrefs[n " " substr(w, length(w) - 1, 1)] = 1
		return "Xr " n " " substr(w, length(w) - 1, 1)
	}
	if (w ~ /^-?E[A-Z0-9]+$/) {
		n = w
		sub(/^-/, "", n)
		if (n in is_errno)
			return w ~ /^-/ ? "Pf \\- Er " n : "Er " n
	}
	if (w == "NULL" || w ~ /^(QB_|QBIPC_|POLL|SIG|SO_|RLIMIT_|IOV_)[A-Z_0-9]+$/)
		return "Dv " w
	if (w ~ /^(qb_|qbipc_)[a-z_0-9]+$/ && w in item_of && page_of[w] != current &&
	    w in page_of) {
		refer(w)
		return "Xr " w " 3"
	}
	return ""
}

function refer(n)
{
	xrefs[n " 3"] = 1
}

# One paragraph.
function inline(s,    n, words, k, w, before, behind, m)
{
	n = split(squeeze(s), words, " ")
	for (k = 1; k <= n; k++) {
		w = words[k]
		before = behind = ""
		if (w == "@p" || w == "@c" || w == "@a") {
			w = words[++k]
			if (match(w, /[^a-zA-Z_0-9>.-][^ ]*$/) || match(w, /\.$/)) {
				behind = substr(w, RSTART)
				w = substr(w, 1, RSTART - 1)
			}
			if (words[k - 1] == "@c")
				m = macro_of(w)
			macro_put("", words[k - 1] == "@c" ? (m ? m : "Li " w) : "Fa " w, behind)
			continue
		}
		if (match(w, /^[("\[]+/)) {
			before = substr(w, 1, RLENGTH)
			w = substr(w, RLENGTH + 1)
		}
		if (match(w, /[.,;:?!"]+$/)) {
			behind = substr(w, RSTART)
			w = substr(w, 1, RSTART - 1)
		}
		if (match(w, /'s$/)) {
			behind = "'s" behind
			w = substr(w, 1, RSTART - 1)
		}
		# A parenthesis that closes another one than that of f() or f(2).
		if (w ~ /\)$/ && w !~ /\([1-8]?\)$/ || w ~ /\)\)$/) {
			behind = ")" behind
			w = substr(w, 1, length(w) - 1)
		}
		m = macro_of(w, words[k + 1])
		if (m == "")
			word_put(words[k])
		else
			macro_put(before, m, behind)
	}
	words_put()
}

# A description: paragraphs, lists with * or -, and what is indented by four as it is.
function prose(s,    n, lines, k, l, paragraph, mode, began)
{
	n = split(s, lines, "\n")
	paragraph = mode = ""
	began = 0
	for (k = 1; k <= n + 1; k++) {
		l = k <= n ? lines[k] : ""
		if (mode == "code" && (l ~ /^    / || l == "" && lines[k + 1] ~ /^    /)) {
			put(l == "" ? ".Pp" : escape(substr(l, 5)))
			continue
		}
		if (mode == "code") {
			put(".Ed")
			mode = ""
		}
		if (l == "" || l ~ /^ *[*-] / || mode == "" && paragraph == "" && l ~ /^    /) {
			if (paragraph != "") {
				if (mode == "" && began)
					put(".Pp")
				inline(paragraph)
				began = 1
			}
			paragraph = ""
		}
		if (l ~ /^ *[*-] /) {
			if (mode != "list")
				put(".Bl -bullet")
			mode = "list"
			put(".It")
			sub(/^ *[*-] /, "", l)
			paragraph = l
		} else if (l == "") {
			if (mode == "list" && lines[k + 1] !~ /^ *[*-] |^  /) {
				put(".El")
				mode = ""
			}
		} else if (mode == "" && paragraph == "" && l ~ /^    /) {
			put(".Bd -literal -offset indent")
			put(escape(substr(l, 5)))
			mode = "code"
			began = 1
		} else {
			paragraph = paragraph " " l
		}
	}
}

# -- Parts of a page -----------------------------------------------------------

function quoted(s)
{
	gsub(/"/, "\\(dq", s)
	return "\"" s "\""
}

function prototype_put(i,    k, type, n)
{
	type = decl[i]
	n = name[i]
	if (kind[i] == "callback") {
		sub(/ ?\(\*.*/, "", type)
		n = "(*" n ")"
	} else {
		type = substr(type, 1, length(type) - length(n))
		sub(/ $/, "", type)
	}
	put(".Ft " quoted(type))
	put(".Fo " n)
	for (k = 1; k <= n_args[i]; k++)
		put(".Fa " quoted(adecl[i, k]))
	if (n_args[i] == 0)
		put(".Fa void")
	put(".Fc")
}

function synopsis_put(p,    k, i)
{
	put(".Sh SYNOPSIS")
	put(".In " page_header[p])
	for (k = 1; k <= n_on[p]; k++) {
		i = on[p, k]
		if (kind[i] == "type")
			put(".Vt " quoted(decl[i]))
		else if (kind[i] == "struct" || kind[i] == "enum")
			put(".Vt " quoted(kind[i] " " name[i] ";"))
		else if (kind[i] == "macro")
			put(".Fd " escape(decl[i]))
		else
			prototype_put(i)
	}
	put(".Pp")
	put("Compile and link with")
	put(".Ql $(pkg-config --cflags --libs libqbipc) .")
}

# A list whose column is as wide as the longest of these names, within reason.
function list_begin(names, i, n,    k, widest)
{
	for (k = 1; k <= n; k++)
		if (length(names[i, k]) > length(widest))
			widest = names[i, k]
	put(".Pp\n.Bl -tag -compact -width " (length(widest) > 12 ? "twelve_chars" : widest))
}

function params_put(i,    k)
{
	if (n_params[i] == 0)
		return
	list_begin(pname, i, n_params[i])
	for (k = 1; k <= n_params[i]; k++) {
		put(".It Fa " pname[i, k])
		inline(ptext[i, k])
	}
	put(".El")
}

function definition_put(i,    d, n, lines, k)
{
	d = decl[i]
	sub(/\n$/, "", d)
	d = bare(d)
	gsub(/[ \t]+\n/, "\n", d)
	n = split(d, lines, "\n")
	put(".Bd -literal -offset indent")
	for (k = 1; k <= n; k++)
		if (lines[k] !~ /^[ \t]*$/)
			put(escape(lines[k]))
	put(".Ed")
	d = ""
	for (k = 1; k <= n_members[i]; k++)
		d = d mtext[i, k]
	if (d == "")
		return
	list_begin(mname, i, n_members[i])
	for (k = 1; k <= n_members[i]; k++) {
		if (mtext[i, k] == "")
			continue
		put(".It " (kind[i] == "enum" ? "Dv " : "Fa ") mname[i, k])
		inline(mtext[i, k])
	}
	put(".El")
}

function description_put(p,    k, i, n)
{
	put(".Sh DESCRIPTION")
	if (intro[p])
		prose(text[intro[p]])
	for (k = 1; k <= n_on[p]; k++) {
		i = on[p, k]
		if (n_on[p] > 1 || intro[p])
			put(kind[i] == "function" ? ".Ss Fn " name[i] : ".Ss " \
			    (kind[i] == "struct" || kind[i] == "enum" ? kind[i] " " : "") name[i])
		prose(text[i])
		if (kind[i] == "struct" || kind[i] == "enum")
			definition_put(i)
		params_put(i)
		for (n = 1; n <= n_notes[i]; n++) {
			put(".Pp")
			inline(note[i, n])
		}
		if (kind[i] == "callback" && ret[i] != "") {
			put(".Pp")
			inline("It returns " ret[i] ".")
		}
	}
}

# "0; -EINVAL why; -EAGAIN why": what is good first, then the list.
function return_put(i,    n, parts, k, part, listed, names, w)
{
	n = return_split(ret[i], parts)
	listed = 0
	for (k = 1; k <= n; k++) {
		part = parts[k]
		if (part !~ /^-?E[A-Z0-9]+([ ,]|$)/) {
			if (listed)
				put(".El\n.Pp")
			if (k == 1 || listed)
				part = toupper(substr(part, 1, 1)) substr(part, 2)
			listed = 0
			if (k < n && parts[k + 1] ~ /^-?E[A-Z0-9]+([ ,]|$)/)
				part = part (part ~ /:$/ ? "" : ", or")
			inline(part (part ~ /([.:]|, or)$/ ? "" : k < n ? ";" : "."))
			continue
		}
		if (!listed)
			put(".Pp\n.Bl -tag -width Er -compact")
		listed = 1
		names = ""
		while (match(part, /^-?E[A-Z0-9]+(, |,? or |,? and | |$)/)) {
			w = part
			sub(/[ ,].*/, "", w)
			if (names != "")
				names = names " , "
			names = names (w ~ /^-/ ? "Pf \\- Er " substr(w, 2) : "Er " w)
			w = substr(part, 1, RLENGTH)
			part = substr(part, RLENGTH + 1)
			if (w !~ /, $| or $| and $/)
				break
		}
		put(".It " names)
		inline(part == "" ? "there is no memory" : part)
	}
	if (listed)
		put(".El")
}

function returns_put(p,    k, i, began)
{
	for (k = 1; k <= n_on[p]; k++) {
		i = on[p, k]
		if (kind[i] != "function" || ret[i] == "")
			continue
		if (!began++)
			put(".Sh RETURN VALUES")
		if (n_functions(p) > 1)
			put(".Ss Fn " name[i])
		return_put(i)
	}
}

function n_functions(p,    k, n)
{
	for (k = 1; k <= n_on[p]; k++)
		n += kind[on[p, k]] == "function"
	return n + 0
}

# Functions of which the same is said stand together.
function threads_put(p,    k, j, i, done, names)
{
	for (k = 1; k <= n_on[p]; k++) {
		i = on[p, k]
		if (threads[i] == "" || i in done)
			continue
		if (!n_done++)
			put(".Sh THREADS\n.Bl -tag -compact -width Ds")
		names = "Fn " name[i]
		for (j = k + 1; j <= n_on[p]; j++)
			if (threads[on[p, j]] == threads[i]) {
				done[on[p, j]] = 1
				names = names " , Fn " name[on[p, j]]
			}
		put(".It " names)
		inline(toupper(substr(threads[i], 1, 1)) substr(threads[i], 2))
	}
	if (n_done)
		put(".El")
	n_done = 0
}

function see_also_put(p,    n, words, k, x, refs, key, count, i, j, swap)
{
	n = split(also[p], words, " ")
	for (k = 1; k <= n; k++)
		if (words[k] != "")
			refer(words[k])
	xrefs["libqbipc 7"] = 1
	count = 0
	for (x in xrefs)
		if (page_of[substr(x, 1, length(x) - 2)] != current || x !~ / 3$/)
			refs[++count] = substr(x, length(x)) " " substr(x, 1, length(x) - 2)
	for (i = 2; i <= count; i++)
		for (j = i; j > 1 && refs[j] < refs[j - 1]; j--) {
			swap = refs[j]
			refs[j] = refs[j - 1]
			refs[j - 1] = swap
		}
	put(".Sh SEE ALSO")
	for (i = 1; i <= count; i++)
		put(".Xr " substr(refs[i], 3) " " substr(refs[i], 1, 1) (i < count ? " ," : ""))
}

function names_put(p,    k, n, names)
{
	put(".Sh NAME")
	for (k = 1; k <= n_on[p]; k++)
		if (kind[on[p, k]] != "macro" && name[on[p, k]] != page[p])
			names[++n] = name[on[p, k]]
	put(".Nm " page[p] (n ? " ," : ""))
	for (k = 1; k <= n; k++)
		put(".Nm " names[k] (k < n ? " ," : ""))
	put(".Nd " about[p])
}

function page_write(p,    x)
{
	file = out "/" page[p] "." suffix
	current = page[p]
	for (x in xrefs)
		delete xrefs[x]
	put(".\\\" SPDX-License-Identifier: LGPL-2.1-or-later")
	put(".\\\" Made from <" page_header[p] ">: its comments are the source.")
	put(".Dd " date)
	put(".Dt " toupper(page[p]) " 3")
	put(".Os libqbipc " version)
	names_put(p)
	synopsis_put(p)
	description_put(p)
	returns_put(p)
	threads_put(p)
	see_also_put(p)
	close(file)
}

function alias_write(n, p)
{
	file = out "/" n "." suffix
	put(".so man3/" page[p] "." suffix)
	close(file)
}

END {
	for (p = 1; p <= n_pages; p++) {
		if (list)
			print page[p] "." suffix
		else
			page_write(p)
		for (k = 1; k <= n_on[p]; k++) {
			n = name[on[p, k]]
			if (n == page[p] || kind[on[p, k]] == "macro")
				continue
			if (list)
				print n "." suffix
			else
				alias_write(n, p)
		}
	}
	if (problems)
		exit 1
}
