# Part of mftd; see LICENSE.
# Makes the migrations named as arguments, in that order, a C table.
BEGIN {
	print "/* Made by embed.awk. */"
	print "#include \"mftd/catalog/db.h\"\n"
	print "#include <stddef.h>\n"
	print "const char *const mftd_db_schema[] = {"
}
FNR == 1 {
	if (NR > 1)
		print "\t,"
	n = split(FILENAME, part, "/")
	print "\t/* " part[n] " */"
}
{
	sub(/--.*/, "")
	sub(/[ \t]+$/, "")
	if ($0 == "")
		next
	gsub(/\\/, "\\\\")
	gsub(/"/, "\\\"")
	print "\t\"" $0 "\\n\""
}
END {
	print "\t, NULL\n};"
}
