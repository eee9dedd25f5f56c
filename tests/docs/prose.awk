# SPDX-License-Identifier: LGPL-2.1-or-later
# The prose of documents and of pages in mdoc(7), for a spelling checker: without code,
# links, names, numbers and what is written in capitals.

FNR == 1 { code = 0; page = FILENAME !~ /\.md$/ }

page && /^\.Bd -literal/ { code = 1 }
page && /^\.Ed/ { code = 0 }
page && /^\./ { next }
!page && /^[ ]*```/ { code = !code; next }
code { next }

{
	gsub(/`[^`]*`/, " ")
	gsub(/\]\([^)]*\)/, " ")
	gsub(/<[^>]*>/, " ")
	gsub(/\\[&e]/, " ")
	gsub(/[a-zA-Z0-9.-]*[\/_@=(][a-zA-Z0-9.\/_()=@*-]*/, " ")
	gsub(/[A-Za-z]*[0-9][A-Za-z0-9]*/, " ")
	gsub(/[A-Za-z]*[A-Z][A-Z][A-Za-z]*/, " ")
	print
}
