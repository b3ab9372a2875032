#!/usr/bin/env bash
# Enters: a folder to make. Leaves: DIR/<ISO 639-1 code>.txt, one paragraph a line, for `cluster corpus train-language --texts DIR`.
# The text is what Debian 12's documentation packages say in each language: fetched with `apt-get download`, unpacked, never installed.
# Licences: gnome-user-docs CC-BY-SA 3.0; installation-guide, debian-faq, debian-reference and debian-edu-doc GPL-2+; the manual pages their
# own free licences (each package's copyright file). What is shipped are weights fitted to counts of letter sequences, not text.
set -euo pipefail
out=$(mkdir -p "${1:?usage: collect.sh DIR}" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
apt-get download -qq gnome-user-docs installation-guide-amd64 \
    debian-faq debian-faq-{de,fr,it,nl,pt,ru} debian-reference-{de,es,fr,it,pt} \
    debian-edu-doc-nb-no manpages manpages-dev manpages-{cs,da,de,es,fi,fr,hu,it,nb,nl,pl,pt-br,ro,ru,sv,tr,uk}
mkdir tree
for package in *.deb; do dpkg-deb -x "$package" tree; done

# Markup, entities and blanks go; a paragraph needs 40 characters, half of them lower-case letters, so that tables and code do not teach.
# Perl knows Unicode's letters without a locale.
paragraphs() {
    perl -CSD -0777 -ne '
        s/<(script|style|code|cmd|screen|pre|title)\b.*?<\/\1>/ /gs; s/<\/(p|li|h\d|dd|dt|td|item|title)>/\n\n/g; s/<[^>]*>/ /g;
        s/&#(\d+);/chr $1/ge; s/&(nbsp|#160);/ /g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/&/g; s/&\w+;/ /g;
        for (split /\n\s*\n/) { s/https?:\S+//g; s/\s+/ /g; s/^ | $//g; my $low = () = /\p{Ll}/g; print "$_\n" if length > 40 && $low > length() / 2 }'
}

# Translations leave paragraphs in English: those where its small words are more than one of twenty are not the language's.
translated() {
    if [ "$1" = en ]; then cat; else
        perl -CSD -ne 'my $english = () = /\b(the|of|and|is|to|that|with|for|this|be|are|not|you)\b/gi; my $all = () = /\S+/g; print if $english <= $all / 20'
    fi
}

# Requests and comments of roff go, font changes too; a request ends a paragraph.
roff() { zcat -f "$@" | sed -E "s/^['.].*$//; s/\\\\f(\\[[A-Z]*\\]|[A-Z])//g; s/\\\\\\(.././g; s/\\\\[-&%~: ]/ /g" | paragraphs; }

# For each language the names that the packages give it.
while read -r code gnome guide man; do
    {
        [ -d "tree/usr/share/help/$gnome" ] && find "tree/usr/share/help/$gnome" -name '*.page' | LC_ALL=C sort | xargs -r cat | paragraphs
        [ -d "tree/usr/share/doc/installation-guide-amd64/$guide" ] &&
            find "tree/usr/share/doc/installation-guide-amd64/$guide" -name '*.html' | LC_ALL=C sort | xargs -r cat | paragraphs
        find tree/usr/share -regextype posix-extended -regex ".*/(debian-faq|debian-reference)[^/]*\.$code\.html" | LC_ALL=C sort | xargs -r cat | paragraphs
        find tree/usr/share/debian-reference -name "*.$code.html" 2>/dev/null | LC_ALL=C sort | xargs -r cat | paragraphs
        [ "$code" = nb ] && find tree/usr/share/doc/debian-edu-doc-nb-no -name '*.html' | LC_ALL=C sort | xargs -r cat | paragraphs
        [ "$man" != - ] && [ -d "tree/usr/share/man/$man" ] && find "tree/usr/share/man/$man" -path "*share/man/$man/man*" -name '*.gz' | LC_ALL=C sort | awk 'NR <= 900' | while read -r page; do roff "$page"; done
        true
    } | translated "$code" | awk '!seen[$0]++' > "$out/$code.txt"
    echo "$code $(wc -c < "$out/$code.txt")"
done <<'LANGUAGES'
ca ca ca -
cs cs cs cs
da da da da
de de de de
en C en .
es es es es
fi fi - fi
fr fr fr fr
hu hu - hu
id id id -
it it it it
nb - - nb
nl nl nl nl
pl pl - pl
pt pt_BR pt pt_BR
ro ro ro ro
ru ru ru ru
sr sr - -
sv sv sv sv
tr tr - tr
uk uk - uk
LANGUAGES
