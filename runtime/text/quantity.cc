#include "text/quantity.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <system_error>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "text/words.h"

namespace weir {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
  std::int64_t least = 1;  // of it are printed so
};

constexpr Unit kTimeUnits[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000, 7}};
constexpr Unit kSizeUnits[] = {{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string print(std::int64_t value, std::span<const Unit> units) {
  const Unit* unit = &units[0];
  for (const Unit& u : units) {
    if (value % u.factor == 0 && value / u.factor >= u.least) {
      unit = &u;
    }
  }
  return fmt::format("{}{}", value / unit->factor, unit->name);
}

std::string read(std::string_view text, std::span<const Unit> units, std::string_view kind,
                 std::int64_t min, std::int64_t max, std::int64_t& value) {
  std::vector<std::string> names;
  for (const Unit& unit : units) {
    names.emplace_back(unit.name);
  }
  std::int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, count);
  const auto digits = static_cast<std::size_t>(stopped - text.data());
  const std::string_view name = text.substr(digits);
  if (digits == 0 || text[0] == '-' || (!name.empty() && !is_letter(name[0]))) {
    return fmt::format("{} is no {}: write a whole number and {}, without a space", quote(text),
                       kind, alternatives(names));
  }
  if (name.empty()) {
    return fmt::format("{} has no unit: add {}", quote(text), alternatives(names));
  }
  const auto unit =
      std::find_if(units.begin(), units.end(), [name](const Unit& u) { return u.name == name; });
  if (unit == units.end()) {
    return fmt::format("{} has the unit {}, not {}", quote(text), quote(name), alternatives(names));
  }
  if (error == std::errc::result_out_of_range || count > max / unit->factor ||
      count * unit->factor < min) {
    return fmt::format("{} is outside {} … {}", quote(text), print(min, units), print(max, units));
  }
  value = count * unit->factor;
  return {};
}

}  // namespace

std::string duration_text(std::chrono::milliseconds time) {
  return print(time.count(), kTimeUnits);
}

std::string size_text(std::int64_t bytes) {
  return print(bytes, kSizeUnits);
}

std::string rfc3339(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", std::chrono::floor<std::chrono::seconds>(time));
}

std::string read_duration(std::string_view text, std::chrono::milliseconds min,
                          std::chrono::milliseconds max, std::chrono::milliseconds& time) {
  std::int64_t count = time.count();
  std::string wrong = read(text, kTimeUnits, "duration", min.count(), max.count(), count);
  time = std::chrono::milliseconds(count);
  return wrong;
}

std::string read_size(std::string_view text, std::int64_t min, std::int64_t max,
                      std::int64_t& bytes) {
  return read(text, kSizeUnits, "size", min, max, bytes);
}

}  // namespace weir
