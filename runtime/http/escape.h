// Text of unknown origin made fit for a metric's label, for JSON and for HTML. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weir {

// Valid UTF-8: what is not, and control characters other than newline and tab, become U+FFFD. One
// such byte in a label would make Prometheus refuse the whole scrape.
std::string printable(std::string_view text);

// `text` as a JSON string, quotes included.
std::string json_string(std::string_view text);

// A JSON array of them.
std::string json_list(const std::vector<std::string>& texts);

// `text` for an element's content or a quoted attribute.
std::string html_text(std::string_view text);

}  // namespace weir
