// How messages quote a value, print a number, name a command and guess what was meant.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weir {

// `"text"`, on one line, shortened when it is long.
std::string quote(std::string_view text);

// `text` as a JSON string, quotes included: its bytes as they are but for `"`, `\` and control
// characters, which are escaped. Valid JSON where `text` is UTF-8.
std::string json_quote(std::string_view text);

// The candidate that `word` is the beginning or a slip of: at most a third of its letters left out,
// added, changed or swapped with their neighbour, case aside. A candidate's last part after a dot
// stands for the whole. Empty: none is near. The earliest wins a tie.
std::string_view nearest(std::string_view word, std::span<const std::string> candidates);

// `; did you mean "lanes"?`, or nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);

// The same, or, where nothing is near, `; there is a, b, c`, the first 20 of them; empty without
// candidates.
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

// "a, b or c".
std::string alternatives(std::span<const std::string> words);

// The program weir as it is called from where this one was: a checkout's is on nobody's path.
std::string_view tool_command();

// "1,234,567".
std::string grouped(std::uint64_t number);

}  // namespace weir
