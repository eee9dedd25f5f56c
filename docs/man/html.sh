#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual for a browser: each page, a small one that leads on for each name that is
# told of on another page, and an index. References to pages of other packages lead to
# man7.org.
#
# usage: html.sh OUTPUT SOURCE PAGE...	pages are below SOURCE or the working directory

set -eu
LC_ALL=C
export LC_ALL

out=$1
source=$2
shift 2
others='https://man7.org/linux/man-pages/man%S/%N.%S.html'

command -v "${MANDOC:=mandoc}" >/dev/null ||
	{ echo "make html needs mandoc" >&2; exit 1; }
rm -rf "$out"
mkdir -p "$out"
cp "$source/mandoc.css" "$out/mandoc.css"

# page.3qbipc is 3 to those who refer to it.
html_of()
{
	html=${1##*/}
	html=${html%.*}.$(printf %s "${1##*.}" | cut -c1).html
}

# mandoc refers to what is there already, and to other people's pages otherwise.
for page; do
	html_of "$page"
	: >"$out/$html"
done

head_put()
{
	cat <<END
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="stylesheet" href="mandoc.css" type="text/css">
<title>$1</title>
END
}

# page_find PAGE: where it is; sets $page, $html and, if it includes another one, $included
page_find()
{
	page=$1
	test -e "$page" || page=$source/${page##*/}
	html_of "$page"
	included=$(sed -n '1s/^\.so man3\///p' "$page")
}

top=$PWD
for page; do
	page_find "$page"
	test -z "$included" || continue
	case $page in /*) ;; *) page=$top/$page ;; esac
	(cd "$out" && "$MANDOC" -T html \
		-O "style=mandoc.css,man=%N.%S.html;$others" "$page" >"$html.new" &&
		mv "$html.new" "$html")
	sed -n '/^\.Nd /{ s/^\.Nd //p; q; }' "$page" |
		sed "s|^|${html#*.} $html |" >>"$out/entries"
done

for page; do
	page_find "$page"
	test -n "$included" || continue
	name=${html%.*.html}
	html_of "$included"
	place=$(grep -oE "id=\"((struct|enum)_)?$name\"" "$out/$html" | head -n 1 | cut -d'"' -f2)
	target=$html${place:+"#$place"}
	{
		head_put "$name"
		echo "<meta http-equiv=\"refresh\" content=\"0; url=$target\">"
		echo "</head>"
		echo "<body><a href=\"$target\">$name</a></body></html>"
	} >"$out/$name.3.html"
done

{
	head_put "libqbipc"
	echo "</head><body><h1>Manual of libqbipc</h1>"
	for section in 7 1 3; do
		case $section in
		7) echo "<h2>Overview</h2><ul>" ;;
		1) echo "<h2>Commands</h2><ul>" ;;
		3) echo "<h2>Functions and types</h2><ul>" ;;
		esac
		sort "$out/entries" | while read -r suffix html about; do
			test "$suffix" = "$section.html" || continue
			echo "<li><a href=\"$html\">${html%.*.html}($section)</a>: $about</li>"
		done
		echo "</ul>"
	done
	echo "<h2>All names</h2><p>"
	for html in "$out"/*.3.html; do
		html=${html##*/}
		echo "<a href=\"$html\">${html%.3.html}</a>"
	done
	echo "</p></body></html>"
} >"$out/index.html"
rm "$out/entries"
