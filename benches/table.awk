# Turns the results of compare.sh into one table in Markdown: a row a job and measure, in it each
# tool's median (growth: the mean) and in brackets how many times icecore's that is.
#
# usage: awk -F '\t' -v tools="icecore restic" -f table.awk results.tsv
function median(list, count,   i, j, v) {
  for (i = 2; i <= count; i++) {
    v = list[i]
    for (j = i - 1; j >= 1 && list[j] > v; j--) list[j + 1] = list[j]
    list[j + 1] = v
  }
  return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}
function mean(list, count,   i, sum) {
  for (i = 1; i <= count; i++) sum += list[i]
  return sum / count
}
function value_of(key,   count, list, i) {
  count = split(values[key], list, " ")
  for (i = 1; i <= count; i++) list[i] += 0
  return key ~ /growth$/ ? mean(list, count) : median(list, count)
}
BEGIN { columns = split(tools, tool, " ") }
{
  key = $1 FS $2 FS $3
  values[key] = values[key] " " ($5 == "B" ? $4 / 1e6 : $3 == "peak" ? $4 / 1024 : $4)
  row = $2 FS $3
  if (!(row in seen)) { seen[row] = 1; order[++rows] = row }
}
END {
  unit["wall"] = "s"; unit["processor"] = "s"; unit["growth"] = "MB (mean)"; unit["peak"] = "MiB"
  unit["size"] = unit["written"] = "MB"; unit["reads"] = "objects"
  line = "| what | unit |"; rule = "|---|---|"
  for (i = 1; i <= columns; i++) { line = line " " tool[i] " |"; rule = rule "---|" }
  print line; print rule
  for (r = 1; r <= rows; r++) {
    split(order[r], part, FS)
    line = "| " part[1] ", " part[2] " | " unit[part[2]] " |"
    own = "icecore" FS order[r]
    base = own in values ? value_of(own) : 0
    for (i = 1; i <= columns; i++) {
      key = tool[i] FS order[r]
      if (!(key in values)) { line = line " - |"; continue }
      v = value_of(key)
      cell = sprintf(part[2] ~ /peak|reads/ ? "%.0f" : v < 10 ? "%.2f" : "%.1f", v)
      if (base > 0 && tool[i] != "icecore") cell = cell sprintf(" (%.2fx)", v / base)
      line = line " " cell " |"
    }
    print line
  }
}
