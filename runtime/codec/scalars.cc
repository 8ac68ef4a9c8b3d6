#include "codec/scalars.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <google/protobuf/io/strtod.h>

#include "codec/json_tokens.h"

namespace weir {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

template <class T>
Parsed parse_integer_as(std::string_view text, T& value) {
  // from_chars takes a minus, not a plus.
  if (text.size() > 1 && text[0] == '+' && is_digit(text[1])) {
    text.remove_prefix(1);
  }
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (at != end || error == std::errc::invalid_argument) {
    return Parsed::mismatch;
  }
  return error == std::errc() ? Parsed::ok : Parsed::out_of_range;
}

}  // namespace

Parsed parse_integer(std::string_view text, std::int64_t& value) {
  return parse_integer_as(text, value);
}

Parsed parse_integer(std::string_view text, std::uint64_t& value) {
  return parse_integer_as(text, value);
}

Parsed parse_double(std::string_view token, double& value) {
  if (!is_json_number(token)) {
    return Parsed::mismatch;
  }
  if (std::from_chars(token.data(), token.data() + token.size(), value).ec == std::errc()) {
    return Parsed::ok;
  }
  // from_chars says "out of range" for too large and too small alike.
  value = google::protobuf::io::NoLocaleStrtod(std::string(token).c_str(), nullptr);
  return std::isfinite(value) ? Parsed::ok : Parsed::out_of_range;
}

Parsed parse_double_text(std::string_view text, double& value) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (text == "NaN") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    value = kInfinity;
  } else if (text == "-Infinity") {
    value = -kInfinity;
  } else {
    return parse_double(text, value);
  }
  return Parsed::ok;
}

Parsed narrow(double value, float& narrowed) {
  constexpr float kMax = std::numeric_limits<float>::max();
  // Half-way between the largest float and the next that there would be: from here it rounds away.
  constexpr double kLimit = 0x1.ffffffp127;
  if (std::isfinite(value) && std::abs(value) >= kLimit) {
    return Parsed::out_of_range;
  }
  if (std::isfinite(value) && std::abs(value) > static_cast<double>(kMax)) {
    narrowed = value < 0 ? -kMax : kMax;
  } else {
    narrowed = static_cast<float>(value);
  }
  return Parsed::ok;
}

Parsed parse_bool_text(std::string_view text, bool& value) {
  std::array<char, 5> lower{};
  if (text.size() > lower.size()) {
    return Parsed::mismatch;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    lower[i] = is_upper(text[i]) ? static_cast<char>(text[i] + ('a' - 'A')) : text[i];
  }
  const std::string_view word(lower.data(), text.size());
  if (word == "true" || word == "t" || word == "yes" || word == "y" || word == "1") {
    value = true;
  } else if (word == "false" || word == "f" || word == "no" || word == "n" || word == "0") {
    value = false;
  } else {
    return Parsed::mismatch;
  }
  return Parsed::ok;
}

Parsed decode_base64(std::string_view text, std::string& bytes) {
  // Padding: none, or exactly what makes the length a multiple of four.
  std::size_t equals = 0;
  while (equals < 2 && equals < text.size() && text[text.size() - 1 - equals] == '=') {
    ++equals;
  }
  if (equals != 0 && text.size() % 4 != 0) {
    return Parsed::mismatch;
  }
  text.remove_suffix(equals);
  if (text.size() % 4 == 1) {
    return Parsed::mismatch;
  }
  std::uint32_t bits = 0;
  int count = 0;
  bool standard = false;
  bool url_safe = false;
  for (const char c : text) {
    std::uint32_t six = 0;
    if (is_upper(c)) {
      six = static_cast<std::uint32_t>(c - 'A');
    } else if (is_lower(c)) {
      six = static_cast<std::uint32_t>(c - 'a') + 26;
    } else if (is_digit(c)) {
      six = static_cast<std::uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      standard = true;
      six = c == '+' ? 62 : 63;
    } else if (c == '-' || c == '_') {
      url_safe = true;
      six = c == '-' ? 62 : 63;
    } else {
      return Parsed::mismatch;
    }
    bits = (bits << 6U) | six;
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xFFU));
    }
  }
  // Two texts must not mean the same bytes: the bits left over are zero.
  const bool clean = (bits & ((1U << static_cast<unsigned>(count)) - 1U)) == 0;
  return clean && !(standard && url_safe) ? Parsed::ok : Parsed::mismatch;
}

namespace {

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kTimestampSecondsMin = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kTimestampSecondsMax = 253'402'300'799;  // 9999-12-31T23:59:59Z

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar. Howard Hinnant,
// "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

int days_in_month(int year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

// Reads from the front of a text; every step says whether it fitted.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : text_(text) {}

  bool at_end() const { return text_.empty(); }

  bool literal(char c) {
    if (text_.empty() || text_.front() != c) {
      return false;
    }
    text_.remove_prefix(1);
    return true;
  }

  // One to `width` digits.
  bool number(int width, int min, int max, int& value) {
    value = 0;
    int read = 0;
    while (read < width && !text_.empty() && is_digit(text_.front())) {
      value = value * 10 + (text_.front() - '0');
      text_.remove_prefix(1);
      ++read;
    }
    return read > 0 && value >= min && value <= max;
  }

  // As many digits as there are; those past the ninth are cut off.
  bool fraction(std::int32_t& nanos) {
    int read = 0;
    nanos = 0;
    for (; !text_.empty() && is_digit(text_.front()); text_.remove_prefix(1), ++read) {
      if (read < 9) {
        nanos = nanos * 10 + (text_.front() - '0');
      }
    }
    for (int i = read; i < 9; ++i) {
      nanos *= 10;
    }
    return read > 0;
  }

 private:
  std::string_view text_;
};

}  // namespace

bool is_timestamp(std::int64_t seconds) {
  return seconds >= kTimestampSecondsMin && seconds <= kTimestampSecondsMax;
}

Parsed parse_time(std::string_view text, ZoneText zone, TimeParts& time) {
  TimeReader reader(text);
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (!reader.number(4, 1, 9999, year) || !reader.literal('-') || !reader.number(2, 1, 12, month) ||
      !reader.literal('-') || !reader.number(2, 1, days_in_month(year, month), day)) {
    return Parsed::mismatch;
  }
  // RFC 3339 5.6 lets a space stand for the T; zoneless sources write it often.
  if (!reader.literal('T') && !(zone == ZoneText::absent && reader.literal(' '))) {
    return Parsed::mismatch;
  }
  if (!reader.number(2, 0, 23, hour) || !reader.literal(':') || !reader.number(2, 0, 59, minute) ||
      !reader.literal(':') || !reader.number(2, 0, 59, second)) {
    return Parsed::mismatch;
  }
  time.nanos = 0;
  if (reader.literal('.') && !reader.fraction(time.nanos)) {
    return Parsed::mismatch;
  }
  std::int64_t offset = 0;
  if (zone == ZoneText::required && !reader.literal('Z')) {
    const bool west = reader.literal('-');
    int offset_hours = 0;
    int offset_minutes = 0;
    if ((!west && !reader.literal('+')) || !reader.number(2, 0, 23, offset_hours) ||
        !reader.literal(':') || !reader.number(2, 0, 59, offset_minutes)) {
      return Parsed::mismatch;
    }
    offset = std::int64_t{offset_hours * 60 + offset_minutes} * (west ? -60 : 60);
  }
  if (!reader.at_end()) {
    return Parsed::mismatch;
  }
  time.seconds = days_from_civil(year, month, day) * kDaySeconds +
                 std::int64_t{hour * 3600 + minute * 60} + second - offset;
  return is_timestamp(time.seconds) ? Parsed::ok : Parsed::out_of_range;
}

Parsed parse_duration(std::string_view text, TimeParts& span) {
  constexpr std::uint64_t kSecondsMax = 315'576'000'000;
  if (text.empty() || text.back() != 's') {
    return Parsed::mismatch;
  }
  text.remove_suffix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) {
    text.remove_prefix(1);
  }
  const std::size_t dot = std::min(text.find('.'), text.size());
  std::uint64_t seconds = 0;
  const Parsed verdict = parse_integer(text.substr(0, dot), seconds);
  if (verdict != Parsed::ok) {
    return verdict;
  }
  std::int32_t nanos = 0;
  int digits = 0;
  for (std::size_t i = dot + 1; i < text.size(); ++i, ++digits) {
    if (!is_digit(text[i])) {
      return Parsed::mismatch;
    }
    if (digits < 9) {
      nanos = nanos * 10 + (text[i] - '0');
    } else if (text[i] != '0') {
      return Parsed::out_of_range;
    }
  }
  for (; digits < 9; ++digits) {
    nanos *= 10;
  }
  if (seconds > kSecondsMax) {
    return Parsed::out_of_range;
  }
  span.seconds =
      negative ? -static_cast<std::int64_t>(seconds) : static_cast<std::int64_t>(seconds);
  span.nanos = negative ? -nanos : nanos;
  return Parsed::ok;
}

std::optional<std::int64_t> parse_zone(std::string_view zone) {
  if (zone == "UTC" || zone == "Z") {
    return 0;
  }
  TimeReader reader(zone);
  const bool west = reader.literal('-');
  int hours = 0;
  int minutes = 0;
  if (zone.size() != 6 || (!west && !reader.literal('+')) || !reader.number(2, 0, 23, hours) ||
      !reader.literal(':') || !reader.number(2, 0, 59, minutes) || !reader.at_end()) {
    return std::nullopt;
  }
  return std::int64_t{hours * 60 + minutes} * (west ? -60 : 60);
}

void append_snake_case(std::string_view camel, std::string& snake) {
  // An underscore goes before a capital that ends a small letter's word (aB) or starts a word after
  // capitals (ABc); never at the start or after an underscore.
  bool after_underscore = true;
  bool after_capital = true;
  for (std::size_t i = 0; i < camel.size(); ++i) {
    const char c = camel[i];
    if (is_upper(c)) {
      if (!after_underscore &&
          (!after_capital || (i + 1 < camel.size() && is_lower(camel[i + 1])))) {
        snake.push_back('_');
      }
      snake.push_back(static_cast<char>(c - 'A' + 'a'));
      after_underscore = false;
      after_capital = true;
    } else {
      snake.push_back(c);
      after_underscore = c == '_';
      after_capital = false;
    }
  }
}

}  // namespace weir
