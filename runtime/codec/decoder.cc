#include "codec/decoder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include "codec/reasons.h"
#include "text/words.h"

namespace weir {

namespace {

// The deepest nesting of messages that protobuf's parser reads back.
constexpr int kNestingMax = 100;
constexpr std::size_t kUnknownNamesMax = 100;
constexpr std::size_t kUnknownNameBytesMax = 256;
constexpr std::size_t kShownBytesMax = 64;

// For messages: printable, at most 64 bytes of it.
std::string shown(std::string_view value) {
  std::string text;
  for (const char c : value.substr(0, kShownBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20U || byte == 0x7FU) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text.push_back(c);
    }
  }
  if (value.size() > kShownBytesMax) {
    // Not in the middle of a character.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80U) {
      text.pop_back();
    }
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U) != 0) {
      text.pop_back();
    }
    text += fmt::format("… ({} bytes)", value.size());
  }
  return text;
}

bool is_number_start(char c) {
  return c == '-' || (c >= '0' && c <= '9');
}

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const std::size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) {
    return {};
  }
  return text.substr(from, text.find_last_not_of(kSpace) + 1 - from);
}

}  // namespace

Decoder::Decoder(DecodePlan plan, UnknownFieldListener on_unknown_field)
    : plan_(std::move(plan)), on_unknown_field_(std::move(on_unknown_field)) {
  key_tokens_.resize(plan_.options().key.size());
}

Status Decoder::decode(std::string_view value, WireBuffer& wire, WireBuffer& key) {
  if (value.empty()) {
    return Status::dead_letter(reason::kEmptyValue, "the value is empty, not JSON");
  }
  if (value.size() > plan_.options().value_bytes_max) {
    return Status::dead_letter(reason::kTooLarge,
                               fmt::format("the value has {} bytes; the limit is {}", value.size(),
                                           plan_.options().value_bytes_max));
  }
  const std::size_t wire_size = wire.size();
  const std::size_t key_size = key.size();
  const DecodeCounts counts = counts_;
  wire_ = &wire;
  reason_ = {};
  if (const JsonTokens::Fault found = tokens_.scan(value); found != JsonTokens::Fault::none) {
    fault(found);
  } else if (!record() || !dedup_key(key)) {
    prefer_syntax_fault();
  }
  if (reason_.empty()) {
    return Status::ok();
  }
  wire.truncate(wire_size);
  key.truncate(key_size);
  counts_ = counts;
  return Status::dead_letter(reason_, message_);
}

bool Decoder::record() {
  std::fill(key_tokens_.begin(), key_tokens_.end(), kNoToken);
  time_token_ = kNoToken;
  seen_.clear();
  Place place;
  place.seen = push_seen(plan_.root());
  if (tokens_.peek() != '{') {
    return mismatch("expected an object");
  }
  if (!members(plan_.root(), place)) {
    return false;
  }
  if (!tokens_.at_end()) {
    return fail_json("expected nothing after the object");
  }
  if (plan_.event_time_field() != nullptr && !event_time(place.seen)) {
    return false;
  }
  apply_defaults(place.seen);
  return true;
}

// ---- containers ----

// At the opening bracket; leaves the first value or member name, or what follows an empty one.
inline bool Decoder::open_container(int depth, char close, bool& closed) {
  if (depth >= plan_.options().depth_max) {
    return fault(JsonTokens::Fault::too_deep);
  }
  tokens_.advance();
  closed = tokens_.peek() == close;
  if (closed) {
    tokens_.advance();
  }
  return true;
}

// Behind a value: moves past the comma, or past `close`.
inline bool Decoder::next_or_close(char close, bool& closed) {
  const char c = tokens_.peek();
  closed = c == close;
  if (!closed && c != ',') {
    return fail_json(close == '}' ? "expected , or }" : "expected , or ]");
  }
  tokens_.advance();
  return true;
}

// Moves past a member's name and its colon. The name lives until the next one is read.
inline bool Decoder::member_name(std::string_view& name) {
  if (tokens_.peek() != '"' || !tokens_.text(name, name_scratch_)) {
    return fail_json("expected a member name");
  }
  tokens_.advance();
  if (tokens_.peek() != ':') {
    return fail_json("expected :");
  }
  tokens_.advance();
  return true;
}

bool Decoder::skip_value(int depth) {
  const JsonTokens::Fault found = tokens_.skip(depth, plan_.options().depth_max);
  return found == JsonTokens::Fault::none || fault(found);
}

bool Decoder::members(MessagePlan& plan, Place place) {
  bool closed = false;
  if (!open_container(place.depth++, '}', closed)) {
    return false;
  }
  std::uint32_t previous = NameEntry::kNone;
  while (!closed) {
    std::string_view name;
    if (!member_name(name)) {
      return false;
    }
    const std::uint32_t entry = plan.names.next(previous, name);
    const bool ok = entry == NameEntry::kNone ? unknown_member(plan, entry, name, place)
                                              : member(plan, entry, place);
    if (!ok || !next_or_close('}', closed)) {
      return false;
    }
    previous = entry;
  }
  return true;
}

bool Decoder::member(MessagePlan& plan, std::uint32_t index, const Place& place) {
  const NameEntry& entry = plan.names[index];
  if (entry.special && !note_special(entry)) {
    return false;
  }
  if (entry.field < 0) {
    return entry.unknown ? unknown_member(plan, index, entry.name, place) : skip_value(place.depth);
  }
  FieldPlan& target = plan.fields[static_cast<std::size_t>(entry.field)];
  return field(target, place) || within(target.name);
}

bool Decoder::unknown_member(MessagePlan& plan, std::uint32_t entry, std::string_view name,
                             const Place& place) {
  if (plan_.has_message() && !(place.in_any && name == "@type")) {
    if (plan_.options().unknown_fields == UnknownFields::dead_letter) {
      return fail(reason::kUnknownField,
                  fmt::format("{} has no field \"{}\"", plan.name, shown(name)));
    }
    ++counts_.unknown_fields;
    if (entry == NameEntry::kNone && unknown_names_.size() < kUnknownNamesMax) {
      const bool top = &plan == &plan_.root();
      if (note_unknown(top ? std::string(name) : plan.name + "." + std::string(name))) {
        plan.names.add(name).unknown = true;
      }
    }
  }
  return skip_value(place.depth);
}

bool Decoder::note_unknown(std::string_view name) {
  if (unknown_names_.size() >= kUnknownNamesMax || name.size() > kUnknownNameBytesMax ||
      unknown_names_.contains(name)) {
    return false;
  }
  unknown_names_.emplace(name);
  if (on_unknown_field_) {
    on_unknown_field_(name);
  }
  return true;
}

bool Decoder::field(FieldPlan& field, const Place& place) {
  const char c = tokens_.peek();
  if (c == 'n' && !field.null_is_value) {
    if (tokens_.raw() != "null") {
      return fail_json("expected a value");
    }
    tokens_.advance();
    return true;
  }
  if (field.oneof_bit >= 0 &&
      test_and_set(place.seen, static_cast<std::uint32_t>(field.oneof_bit))) {
    return fail(reason::kDuplicateField, "its oneof, or the field itself, is set already");
  }
  const bool again = test_and_set(place.seen, field.seen_bit);
  if (field.map) {
    return map(field, place);
  }
  if (field.repeated) {
    return c == '[' ? list(field, place) : list_of_one(field, place);
  }
  const bool explicit_zeros = place.explicit_zeros || again;
  if (field.kind != Kind::message) {
    return scalar(field, explicit_zeros || field.has_presence ? Zero::write : Zero::skip, true);
  }
  Place merging = place;
  merging.explicit_zeros = explicit_zeros;
  return element(field, Zero::write, merging);
}

bool Decoder::list_of_one(FieldPlan& field, Place place) {
  place.explicit_zeros = false;
  if (!field.packed) {
    return element(field, Zero::write, place);
  }
  const std::size_t before = wire_->size();
  wire_->append(field.tag);
  const std::size_t opened = wire_->open();
  if (!scalar(field, Zero::write, false)) {
    return false;
  }
  wire_->size() == opened ? wire_->truncate(before) : wire_->close(opened);
  return true;
}

bool Decoder::list(FieldPlan& field, Place place) {
  place.explicit_zeros = false;
  bool closed = false;
  if (!open_container(place.depth++, ']', closed)) {
    return false;
  }
  const std::size_t before = wire_->size();
  std::size_t opened = 0;
  if (field.packed) {
    wire_->append(field.tag);
    opened = wire_->open();
  }
  const bool lists_within =
      field.kind == Kind::message &&
      (field.message->shape == Shape::value || field.message->shape == Shape::list_value);
  for (std::size_t i = 0; !closed; ++i) {
    const char c = tokens_.peek();
    if (c == 'n' && !field.null_is_value) {
      if (tokens_.raw() != "null") {
        return fail_json("expected a value");
      }
      tokens_.advance();
    } else if (c == '[' && !lists_within) {
      return mismatch("expected no list within a list") || within(i);
    } else if (field.packed ? !scalar(field, Zero::write, false)
                            : !element(field, Zero::write, place)) {
      return within(i);
    }
    if (!next_or_close(']', closed)) {
      return false;
    }
  }
  if (field.packed) {
    wire_->size() == opened ? wire_->truncate(before) : wire_->close(opened);
  }
  return true;
}

bool Decoder::map(FieldPlan& field, Place place) {
  if (tokens_.peek() != '{') {
    return mismatch("expected an object");
  }
  bool closed = false;
  if (!open_container(place.depth++, '}', closed)) {
    return false;
  }
  ++place.nesting;
  place.explicit_zeros = false;
  place.in_any = false;
  FieldPlan& key = field.message->fields[0];
  FieldPlan& value = field.message->fields[1];
  const std::size_t first = map_keys_.size();
  while (!closed) {
    std::string_view name;
    const std::uint32_t name_token = tokens_.at();
    if (!member_name(name)) {
      return false;
    }
    map_keys_.push_back({std::hash<std::string_view>()(name), name_token});
    const std::uint32_t value_token = tokens_.at();
    wire_->append(field.tag);
    const std::size_t opened = wire_->open();
    // The key as a JSON string: each type of key reads one.
    tokens_.move_to(name_token);
    if (!scalar(key, Zero::write, true)) {
      return within("(key)");
    }
    tokens_.move_to(value_token);
    if (tokens_.peek() == 'n' && !value.null_is_value) {
      if (tokens_.raw() != "null") {
        return fail_json("expected a value");
      }
      tokens_.advance();
    } else if (!element(value, Zero::write, place)) {
      tokens_.move_to(name_token);
      static_cast<void>(tokens_.text(name, name_scratch_));
      return within(shown(name));
    }
    wire_->close(opened);
    if (!next_or_close('}', closed)) {
      return false;
    }
  }
  return map_keys_differ(first);
}

// Of the map whose keys start at `first`; takes them off.
bool Decoder::map_keys_differ(std::size_t first) {
  const auto begin = map_keys_.begin() + static_cast<std::ptrdiff_t>(first);
  std::sort(begin, map_keys_.end(),
            [](const MapKey& a, const MapKey& b) { return a.hash < b.hash; });
  const std::uint32_t end_token = tokens_.at();
  for (std::size_t i = first; i + 1 < map_keys_.size(); ++i) {
    for (std::size_t j = i + 1; j < map_keys_.size() && map_keys_[j].hash == map_keys_[i].hash;
         ++j) {
      std::string_view one;
      std::string_view other;
      tokens_.move_to(map_keys_[i].token);
      bool read = tokens_.text(one, name_scratch_);
      tokens_.move_to(map_keys_[j].token);
      read = tokens_.text(other, text_scratch_) && read;
      if (read && one == other) {
        return fail(reason::kDuplicateField,
                    fmt::format("the key \"{}\" is there twice", shown(one)));
      }
    }
  }
  tokens_.move_to(end_token);
  map_keys_.resize(first);
  return true;
}

bool Decoder::element(FieldPlan& field, Zero zero, const Place& place) {
  if (field.kind != Kind::message) {
    return scalar(field, zero, true);
  }
  Place inner = place;
  inner.in_any = false;
  if (++inner.nesting > kNestingMax) {
    return fail(reason::kTooDeep, fmt::format("messages nest more than {} deep", kNestingMax));
  }
  wire_->append(field.tag);
  const std::size_t opened = wire_->open();
  if (!message(*field.message, inner)) {
    return false;
  }
  wire_->close(opened);
  return true;
}

// The content of a message, without tag and length.
bool Decoder::message(MessagePlan& plan, Place place) {
  const char c = tokens_.peek();
  const Zero zero = place.explicit_zeros ? Zero::write : Zero::skip;
  switch (plan.shape) {
    case Shape::value:
      return value_body(place);
    case Shape::structure:
      return c == '{' ? struct_body(place) : mismatch("expected an object");
    case Shape::any:
      return c == '{' ? any(place) : mismatch("expected an object");
    case Shape::list_value:
      if (c != '{') {
        return c == '[' ? list_value_body(place) : mismatch("expected a list");
      }
      break;
    case Shape::timestamp:
    case Shape::duration:
      if (c != '{') {
        return time(plan, zero);
      }
      break;
    case Shape::field_mask:
      if (c != '{') {
        return field_mask();
      }
      break;
    case Shape::wrapper:
      if (c != '{') {
        return c == '[' ? mismatch("expected a value") : scalar(plan.fields[0], zero, true);
      }
      break;
    case Shape::plain:
      if (c != '{') {
        return mismatch("expected an object");
      }
      break;
  }
  place.seen = push_seen(plan);
  const bool ok = members(plan, place);
  seen_.resize(place.seen);
  return ok;
}

// ---- scalars ----

bool Decoder::boolean(bool& value) {
  const std::string_view token = tokens_.raw();
  if (token == "true" || token == "false") {
    value = token == "true";
    return true;
  }
  std::string_view text;
  if (tokens_.peek() == '"') {
    if (!tokens_.text(text, text_scratch_)) {
      return fail_json("expected a string");
    }
    if (parse_bool_text(text, value) == Parsed::ok) {
      return true;
    }
  }
  return mismatch("expected true or false");
}

// A number, or a string of one; `1.0` and `1e3` are integers, too.
template <class Integer>
bool Decoder::integer(Integer min, Integer max, std::string_view expected, Integer& value) {
  // As doubles: exact, one past the largest.
  constexpr double kBegin = static_cast<double>(std::numeric_limits<Integer>::min());
  constexpr double kEnd = std::is_signed_v<Integer> ? 0x1p63 : 0x1p64;
  const std::string_view token = tokens_.raw();
  const char c = tokens_.peek();
  Parsed verdict = Parsed::mismatch;
  if (is_number_start(c)) {
    verdict = parse_integer(token, value);
    if (verdict != Parsed::ok || !is_json_number(token)) {
      double real = 0;
      verdict = parse_double(token, real);
      if (verdict == Parsed::ok && real != std::trunc(real)) {
        verdict = Parsed::mismatch;
      } else if (verdict == Parsed::ok && !(real >= kBegin && real < kEnd)) {
        verdict = Parsed::out_of_range;
      } else if (verdict == Parsed::ok) {
        value = static_cast<Integer>(real);
      }
    }
  } else if (c == '"') {
    std::string_view text;
    if (!tokens_.text(text, text_scratch_)) {
      return fail_json("expected a string");
    }
    verdict = parse_integer(text, value);
  }
  if (verdict == Parsed::mismatch) {
    return mismatch(expected);
  }
  if (verdict == Parsed::out_of_range || value < min || value > max) {
    return fail(reason::kOutOfRange, fmt::format("{} is outside {} … {}", shown(token), min, max));
  }
  return true;
}

bool Decoder::signed_number(std::int64_t min, std::int64_t max, std::int64_t& value) {
  return integer(min, max, "expected an integer", value);
}

bool Decoder::unsigned_number(std::uint64_t max, std::uint64_t& value) {
  return integer(std::uint64_t{0}, max, "expected an integer of at least 0", value);
}

bool Decoder::floating(bool single, double& value) {
  const std::string_view token = tokens_.raw();
  Parsed verdict = Parsed::mismatch;
  if (is_number_start(tokens_.peek())) {
    verdict = parse_double(token, value);
    // An integer that 64 bits hold is one to the parser too: no negative zero, and rounded to float
    // once, not by way of double.
    std::int64_t integer = 0;
    std::uint64_t large = 0;
    if (verdict == Parsed::ok && parse_integer(token, integer) == Parsed::ok) {
      value =
          single ? static_cast<double>(static_cast<float>(integer)) : static_cast<double>(integer);
    } else if (verdict == Parsed::ok && single && parse_integer(token, large) == Parsed::ok) {
      value = static_cast<double>(static_cast<float>(large));
    }
  } else if (tokens_.peek() == '"') {
    std::string_view text;
    if (!tokens_.text(text, text_scratch_)) {
      return fail_json("expected a string");
    }
    verdict = parse_double_text(text, value);
    // In a string, the parser takes nothing above the largest float, not even what rounds to it.
    if (single && verdict == Parsed::ok && std::isfinite(value) &&
        std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) {
      verdict = Parsed::out_of_range;
    }
  }
  float narrowed = 0;
  if (single && verdict == Parsed::ok) {
    verdict = narrow(value, narrowed);
    value = static_cast<double>(narrowed);
  }
  if (verdict == Parsed::mismatch) {
    return mismatch("expected a number");
  }
  if (verdict == Parsed::out_of_range) {
    return fail(reason::kOutOfRange,
                fmt::format("{} is beyond a {}", shown(token), single ? "float" : "double"));
  }
  return true;
}

bool Decoder::enum_number(const FieldPlan& field, std::int32_t& number, bool& known) {
  known = true;
  const char c = tokens_.peek();
  if (c == 'n' && tokens_.raw() == "null") {
    number = 0;
    return true;
  }
  if (c == '"') {
    std::string_view text;
    if (!tokens_.text(text, text_scratch_)) {
      return fail_json("expected a string");
    }
    const EnumPlan& plan = *field.enumeration;
    if (const auto found = plan.numbers.find(text); found != plan.numbers.end()) {
      number = found->second;
      return true;
    }
    std::int64_t value = 0;
    if (parse_integer(text, value) == Parsed::ok && value >= INT32_MIN && value <= INT32_MAX) {
      number = static_cast<std::int32_t>(value);
      if (plan.names.contains(number)) {
        return true;
      }
    }
    known = false;
    return unknown_enum_name(field, text);
  }
  std::int64_t value = 0;
  if (!is_number_start(c)) {
    return mismatch("expected the name or number of an enum value");
  }
  if (!signed_number(INT32_MIN, INT32_MAX, value)) {
    return false;
  }
  number = static_cast<std::int32_t>(value);
  return true;
}

bool Decoder::unknown_enum_name(const FieldPlan& field, std::string_view name) {
  if (plan_.options().unknown_fields == UnknownFields::dead_letter) {
    return fail(reason::kUnknownField, fmt::format("the enum has no value \"{}\"", shown(name)));
  }
  ++counts_.unknown_fields;
  static_cast<void>(note_unknown(fmt::format("{}={}", field.name, name)));
  return true;
}

bool Decoder::string(const FieldPlan& field, Zero zero) {
  std::string_view text;
  if (tokens_.peek() != '"') {
    return mismatch("expected a string");
  }
  if (!tokens_.text(text, text_scratch_)) {
    return fail_json("expected a string");
  }
  if (field.trim) {
    const std::size_t size = text.size();
    text = trimmed(text);
    counts_.cleaned_fields += text.size() != size ? 1 : 0;
  }
  if (field.kind == Kind::bytes) {
    bytes_scratch_.clear();
    if (decode_base64(text, bytes_scratch_) != Parsed::ok) {
      return mismatch("expected base64");
    }
    text = bytes_scratch_;
  }
  if (!text.empty() || zero == Zero::write) {
    wire_->append_text(field.tag, text);
  }
  tokens_.advance();
  return true;
}

// `bits`: as the wire holds them, before they are cut to the width of the field.
bool Decoder::integer(const FieldPlan& field, std::uint64_t& bits) {
  switch (field.kind) {
    case Kind::uint32:
    case Kind::fixed32:
      return unsigned_number(UINT32_MAX, bits);
    case Kind::uint64:
    case Kind::fixed64:
      return unsigned_number(UINT64_MAX, bits);
    default:
      break;
  }
  const bool narrow_type =
      field.kind == Kind::int32 || field.kind == Kind::sint32 || field.kind == Kind::sfixed32;
  std::int64_t value = 0;
  if (!signed_number(narrow_type ? INT32_MIN : INT64_MIN, narrow_type ? INT32_MAX : INT64_MAX,
                     value)) {
    return false;
  }
  bits = field.kind == Kind::sint32 || field.kind == Kind::sint64
             ? zigzag(value)
             : static_cast<std::uint64_t>(value);
  return true;
}

// One value of a type that is no message; `tagged`: with its tag, as all but packed lists have it.
bool Decoder::scalar(const FieldPlan& field, Zero zero, bool tagged) {
  std::uint64_t bits = 0;
  switch (field.kind) {
    case Kind::string:
    case Kind::bytes:
      return string(field, zero);
    case Kind::boolean: {
      bool value = false;
      if (!boolean(value)) {
        return false;
      }
      bits = value ? 1 : 0;
      break;
    }
    case Kind::enumeration: {
      std::int32_t number = 0;
      bool known = false;
      if (!enum_number(field, number, known)) {
        return false;
      }
      if (!known) {
        tokens_.advance();
        return true;
      }
      bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(number));
      break;
    }
    case Kind::float32:
    case Kind::float64: {
      double value = 0;
      if (!floating(field.kind == Kind::float32, value)) {
        return false;
      }
      bits = field.kind == Kind::float32 ? std::bit_cast<std::uint32_t>(static_cast<float>(value))
                                         : std::bit_cast<std::uint64_t>(value);
      break;
    }
    default:
      if (!integer(field, bits)) {
        return false;
      }
      break;
  }
  tokens_.advance();
  if (bits == 0 && zero == Zero::skip) {
    return true;
  }
  if (tagged) {
    wire_->append(field.tag);
  }
  switch (field.kind) {
    case Kind::fixed32:
    case Kind::sfixed32:
    case Kind::float32:
      wire_->append_fixed32(static_cast<std::uint32_t>(bits));
      break;
    case Kind::fixed64:
    case Kind::sfixed64:
    case Kind::float64:
      wire_->append_fixed64(bits);
      break;
    default:
      wire_->append_varint(bits);
      break;
  }
  return true;
}

// ---- google.protobuf's own types ----

namespace {

const WireTag kSecondsTag(1, WireType::varint);
const WireTag kNanosTag(2, WireType::varint);
const WireTag kPathsTag(1, WireType::bytes);
const WireTag kTypeUrlTag(1, WireType::bytes);
const WireTag kAnyValueTag(2, WireType::bytes);
const WireTag kStructFieldsTag(1, WireType::bytes);
const WireTag kEntryKeyTag(1, WireType::bytes);
const WireTag kEntryValueTag(2, WireType::bytes);
const WireTag kListValuesTag(1, WireType::bytes);
const WireTag kNullValueTag(1, WireType::varint);
const WireTag kNumberValueTag(2, WireType::fixed64);
const WireTag kStringValueTag(3, WireType::bytes);
const WireTag kBoolValueTag(4, WireType::varint);
const WireTag kStructValueTag(5, WireType::bytes);
const WireTag kListValueTag(6, WireType::bytes);

}  // namespace

void Decoder::append_time(const TimeParts& time, Zero zero) {
  if (time.seconds != 0 || zero == Zero::write) {
    wire_->append(kSecondsTag);
    wire_->append_varint(static_cast<std::uint64_t>(time.seconds));
  }
  if (time.nanos != 0 || zero == Zero::write) {
    wire_->append(kNanosTag);
    wire_->append_varint(static_cast<std::uint64_t>(static_cast<std::int64_t>(time.nanos)));
  }
}

bool Decoder::time(MessagePlan& plan, Zero zero) {
  const bool is_time = plan.shape == Shape::timestamp;
  const char* const expected = is_time ? "expected a time such as 2015-09-12T00:46:58.771Z"
                                       : "expected a duration such as 1.5s";
  std::string_view text;
  if (tokens_.peek() != '"') {
    return mismatch(expected);
  }
  if (!tokens_.text(text, text_scratch_)) {
    return fail_json("expected a string");
  }
  TimeParts parts;
  const Parsed verdict =
      is_time ? parse_time(text, ZoneText::required, parts) : parse_duration(text, parts);
  if (verdict == Parsed::mismatch) {
    return mismatch(expected);
  }
  if (verdict == Parsed::out_of_range) {
    return fail(reason::kOutOfRange, fmt::format("{} is out of range", shown(text)));
  }
  append_time(parts, zero);
  tokens_.advance();
  return true;
}

bool Decoder::field_mask() {
  std::string_view text;
  if (tokens_.peek() != '"') {
    return mismatch("expected a field mask such as \"a,b.c\"");
  }
  if (!tokens_.text(text, text_scratch_)) {
    return fail_json("expected a string");
  }
  if (text.find_first_of("()[]\"") != std::string_view::npos) {
    return mismatch("expected a field mask without brackets or quotes");
  }
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view path = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (path.empty()) {
      continue;
    }
    bytes_scratch_.clear();
    for (;;) {
      const std::size_t dot = std::min(path.find('.'), path.size());
      append_snake_case(path.substr(0, dot), bytes_scratch_);
      if (dot == path.size()) {
        break;
      }
      bytes_scratch_.push_back('.');
      path.remove_prefix(dot + 1);
    }
    wire_->append_text(kPathsTag, bytes_scratch_);
  }
  tokens_.advance();
  return true;
}

bool Decoder::value_body(Place place) {
  const char c = tokens_.peek();
  const std::string_view token = tokens_.raw();
  if (c == '{' || c == '[') {
    if (++place.nesting > kNestingMax) {
      return fail(reason::kTooDeep, fmt::format("messages nest more than {} deep", kNestingMax));
    }
    wire_->append(c == '{' ? kStructValueTag : kListValueTag);
    const std::size_t opened = wire_->open();
    if (!(c == '{' ? struct_body(place) : list_value_body(place))) {
      return false;
    }
    wire_->close(opened);
    return true;
  }
  if (c == '"') {
    std::string_view text;
    if (!tokens_.text(text, text_scratch_)) {
      return fail_json("expected a string");
    }
    wire_->append_text(kStringValueTag, text);
  } else if (token == "null") {
    wire_->append(kNullValueTag);
    wire_->append_varint(0);
  } else if (token == "true" || token == "false") {
    wire_->append(kBoolValueTag);
    wire_->append_varint(token == "true" ? 1 : 0);
  } else {
    double value = 0;
    if (!floating(false, value)) {
      return false;
    }
    wire_->append(kNumberValueTag);
    wire_->append_fixed64(std::bit_cast<std::uint64_t>(value));
  }
  tokens_.advance();
  return true;
}

bool Decoder::struct_body(Place place) {
  bool closed = false;
  if (!open_container(place.depth++, '}', closed)) {
    return false;
  }
  place.nesting += 2;  // the map's entry and its value
  if (!closed && place.nesting > kNestingMax) {
    return fail(reason::kTooDeep, fmt::format("messages nest more than {} deep", kNestingMax));
  }
  const std::size_t first = map_keys_.size();
  while (!closed) {
    std::string_view name;
    const std::uint32_t name_token = tokens_.at();
    if (!member_name(name)) {
      return false;
    }
    map_keys_.push_back({std::hash<std::string_view>()(name), name_token});
    wire_->append(kStructFieldsTag);
    const std::size_t entry = wire_->open();
    wire_->append_text(kEntryKeyTag, name);
    wire_->append(kEntryValueTag);
    const std::size_t value = wire_->open();
    if (!value_body(place)) {
      return false;
    }
    wire_->close(value);
    wire_->close(entry);
    if (!next_or_close('}', closed)) {
      return false;
    }
  }
  return map_keys_differ(first);
}

bool Decoder::list_value_body(Place place) {
  bool closed = false;
  if (!open_container(place.depth++, ']', closed)) {
    return false;
  }
  ++place.nesting;
  if (!closed && place.nesting > kNestingMax) {
    return fail(reason::kTooDeep, fmt::format("messages nest more than {} deep", kNestingMax));
  }
  for (std::size_t i = 0; !closed; ++i) {
    wire_->append(kListValuesTag);
    const std::size_t opened = wire_->open();
    if (!value_body(place)) {
      return within(i);
    }
    wire_->close(opened);
    if (!next_or_close(']', closed)) {
      return false;
    }
  }
  return true;
}

// Walks an Any's object: the tokens of its "@type" and of its "value", and whether there is more.
bool Decoder::any_type(int depth, std::uint32_t& type, std::uint32_t& value, bool& others) {
  bool closed = false;
  if (!open_container(depth, '}', closed)) {
    return false;
  }
  while (!closed) {
    std::string_view name;
    if (!member_name(name)) {
      return false;
    }
    if (name == "@type" && type == kNoToken) {
      type = tokens_.at();
    } else if (name == "value" && value == kNoToken) {
      value = tokens_.at();
    } else {
      others = true;
    }
    if (!skip_value(depth + 1) || !next_or_close('}', closed)) {
      return false;
    }
  }
  return true;
}

bool Decoder::any(Place place) {
  constexpr std::string_view kPrefix = "type.googleapis.com/";
  const std::uint32_t object = tokens_.at();
  std::uint32_t type = kNoToken;
  std::uint32_t value = kNoToken;
  bool others = false;
  if (!any_type(place.depth, type, value, others)) {
    return false;
  }
  const std::uint32_t end = tokens_.at();
  if (type == kNoToken) {
    return (value == kNoToken && !others) ||
           fail(reason::kTypeMismatch, "an Any without \"@type\"");
  }
  tokens_.move_to(type);
  std::string_view url;
  if (!tokens_.text(url, text_scratch_) || !url.starts_with(kPrefix)) {
    return mismatch("expected \"type.googleapis.com/\" and a message type as \"@type\"");
  }
  Result<MessagePlan*> plan = plan_.message_of(url.substr(kPrefix.size()));
  if (!plan.is_ok()) {
    return fail(reason::kTypeMismatch, plan.status().message());
  }
  wire_->append_text(kTypeUrlTag, url);
  MessagePlan& content = *plan.value();
  const bool plain = content.shape == Shape::plain;
  if (!plain && others) {
    return fail(
        reason::kTypeMismatch,
        fmt::format("an Any of {} has the members \"@type\" and \"value\" alone", content.name));
  }
  const std::size_t before = wire_->size();
  wire_->append(kAnyValueTag);
  const std::size_t opened = wire_->open();
  // Its bytes are a message of their own to whoever reads them.
  place.nesting = 0;
  place.explicit_zeros = false;
  place.in_any = plain;
  if (plain) {
    tokens_.move_to(object);
    if (!message(content, place)) {
      return false;
    }
  } else if (value != kNoToken) {
    tokens_.move_to(value);
    ++place.depth;
    if ((tokens_.raw() != "null" || content.shape == Shape::value) && !message(content, place)) {
      return within("value");
    }
  }
  wire_->size() == opened ? wire_->truncate(before) : wire_->close(opened);
  tokens_.move_to(end);
  return true;
}

// ---- the record as a whole ----

bool Decoder::note_special(const NameEntry& entry) {
  if (entry.key_part >= 0) {
    std::uint32_t& token = key_tokens_[static_cast<std::size_t>(entry.key_part)];
    if (token != kNoToken) {
      return fail(reason::kDuplicateKeyField,
                  fmt::format("the dedup key field \"{}\" is there twice", entry.name));
    }
    token = tokens_.at();
  }
  if (entry.event_time) {
    time_token_ = tokens_.at();
  }
  counts_.cleaned_fields += entry.renamed ? 1 : 0;
  return true;
}

// A count of units since the epoch, whole or not: exact unless it has an exponent.
bool Decoder::epoch(std::int64_t units_per_second, TimeParts& time) {
  std::string_view token = tokens_.raw();
  if (tokens_.peek() == '"' && !tokens_.text(token, text_scratch_)) {
    return false;
  }
  if (!is_json_number(token)) {
    return false;
  }
  std::int64_t units = 0;
  double part = 0;  // of one unit
  if (token.find_first_of("eE") == std::string_view::npos) {
    const std::size_t dot = std::min(token.find('.'), token.size());
    if (parse_integer(token.substr(0, dot), units) != Parsed::ok) {
      return false;
    }
    if (dot < token.size()) {
      const std::string fraction = "0" + std::string(token.substr(dot));
      if (parse_double(fraction, part) != Parsed::ok) {
        return false;
      }
      part = token.front() == '-' ? -part : part;
    }
  } else {
    double real = 0;
    if (parse_double(token, real) != Parsed::ok || !(std::abs(real) < 0x1p62)) {
      return false;
    }
    units = static_cast<std::int64_t>(std::floor(real));
    part = real - std::floor(real);
  }
  const std::int64_t unit_nanos = 1'000'000'000 / units_per_second;
  time.seconds = units / units_per_second;
  std::int64_t nanos =
      (units % units_per_second) * unit_nanos +
      static_cast<std::int64_t>(std::llround(part * static_cast<double>(unit_nanos)));
  while (nanos < 0) {
    nanos += 1'000'000'000;
    --time.seconds;
  }
  time.seconds += nanos / 1'000'000'000;
  time.nanos = static_cast<std::int32_t>(nanos % 1'000'000'000);
  return is_timestamp(time.seconds);
}

bool Decoder::event_seconds(TimeParts& time) {
  const EventTime& event = *plan_.options().event_time;
  switch (event.format) {
    case TimeFormat::epoch_s:
      return epoch(1, time);
    case TimeFormat::epoch_ms:
      return epoch(1000, time);
    case TimeFormat::epoch_us:
      return epoch(1'000'000, time);
    case TimeFormat::rfc3339:
    case TimeFormat::zoneless:
      break;
  }
  const bool zoneless = event.format == TimeFormat::zoneless;
  std::string_view text;
  if (!tokens_.text(text, text_scratch_) ||
      parse_time(text, zoneless ? ZoneText::absent : ZoneText::required, time) != Parsed::ok) {
    return false;
  }
  time.seconds -= plan_.zone_seconds();
  return is_timestamp(time.seconds);
}

bool Decoder::event_time(std::size_t seen) {
  if (time_token_ == kNoToken) {
    return true;
  }
  tokens_.move_to(time_token_);
  if (tokens_.raw() == "null") {
    return true;
  }
  TimeParts time;
  if (!event_seconds(time)) {
    constexpr std::string_view kFormats[] = {"RFC 3339 with a zone", "seconds since 1970",
                                             "milliseconds since 1970", "microseconds since 1970",
                                             "a time without a zone"};
    const EventTime& event = *plan_.options().event_time;
    return fail(reason::kBadEventTime, fmt::format("expected {}, found {}",
                                                   kFormats[static_cast<std::size_t>(event.format)],
                                                   shown(tokens_.raw()))) ||
           within(event.from.empty() ? event.field : event.from);
  }
  const FieldPlan& field = *plan_.event_time_field();
  // It replaces what the record itself said there, zeros included.
  const Zero zero = test_and_set(seen, field.seen_bit) ? Zero::write : Zero::skip;
  wire_->append(field.tag);
  const std::size_t opened = wire_->open();
  append_time(time, zero);
  wire_->close(opened);
  return true;
}

void Decoder::apply_defaults(std::size_t seen) {
  for (const DefaultValue& value : plan_.defaults()) {
    if (!test_and_set(seen, value.seen_bit)) {
      wire_->append(value.wire);
      ++counts_.cleaned_fields;
    }
  }
}

bool Decoder::dedup_key(WireBuffer& key) {
  key_.clear();
  for (std::size_t part = 0; part < key_tokens_.size(); ++part) {
    std::string_view state = "missing";
    if (key_tokens_[part] != kNoToken) {
      tokens_.move_to(key_tokens_[part]);
      const std::string_view token = tokens_.raw();
      const char c = token.front();
      std::string_view text;
      if (c == '{' || c == '[') {
        static_cast<void>(mismatch("expected a string, a number or a truth value as dedup key"));
        reason_ = reason::kBadKey;
        return within(plan_.options().key[part]);
      }
      if (c == '"' && tokens_.text(text, text_scratch_) && !text.empty()) {
        key_.add_string(text);
        continue;
      }
      if (is_number_start(c)) {
        key_.add_number(token);
        continue;
      }
      if (token == "true" || token == "false") {
        key_.add_bool(token == "true");
        continue;
      }
      state = c == '"' ? "empty" : "null";
    }
    if (plan_.options().on_missing_key == OnMissingKey::pass) {
      return true;
    }
    return fail(reason::kMissingKey,
                fmt::format("the dedup key field \"{}\" is {}", plan_.options().key[part], state));
  }
  key.append(key_.bytes());
  return true;
}

// ---- failures ----

bool Decoder::fail(std::string_view reason, std::string message) {
  reason_ = reason;
  message_ = std::move(message);
  path_.clear();
  return false;
}

bool Decoder::fail_json(std::string_view expected) {
  return fail(
      reason::kInvalidJson,
      fmt::format("{} at byte {}, found {}", expected, tokens_.position(),
                  tokens_.at_end() ? "the end" : fmt::format("`{}`", shown(tokens_.raw()))));
}

bool Decoder::mismatch(std::string_view expected) {
  const char c = tokens_.peek();
  const std::string found = c == '{' ? "an object" : c == '[' ? "a list" : shown(tokens_.raw());
  return fail(reason::kTypeMismatch, fmt::format("{}, found {}", expected, found));
}

bool Decoder::fault(JsonTokens::Fault fault) {
  switch (fault) {
    case JsonTokens::Fault::invalid_utf8:
      return fail(reason::kInvalidUtf8, "the value is not UTF-8");
    case JsonTokens::Fault::too_deep:
      return fail(reason::kTooDeep, fmt::format("objects and lists nest more than {} deep",
                                                plan_.options().depth_max));
    case JsonTokens::Fault::invalid_json:
      return tokens_.at_end()
                 ? fail(reason::kInvalidJson,
                        "the value is not JSON: cut off, or a string is not closed or has raw "
                        "control characters")
                 : fail_json("expected JSON");
    case JsonTokens::Fault::none:
      break;
  }
  WEIR_ASSERT(false);
}

bool Decoder::within(std::string_view name) {
  const bool joins = path_.empty() || path_.front() == '[';
  path_ = std::string(name) + (joins ? "" : ".") + path_;
  return false;
}

bool Decoder::within(std::size_t index) {
  const bool joins = path_.empty() || path_.front() == '[';
  path_ = fmt::format("[{}]{}{}", index, joins ? "" : ".", path_);
  return false;
}

// Of two faults in a value, that it isn't JSON (or is too deep to tell) goes before what it says.
void Decoder::prefer_syntax_fault() {
  map_keys_.clear();
  if (!path_.empty()) {
    message_ = path_ + ": " + message_;
  }
  if (reason_ == reason::kInvalidJson || reason_ == reason::kTooDeep) {
    return;
  }
  tokens_.move_to(0);
  if (const JsonTokens::Fault found = tokens_.skip(0, plan_.options().depth_max);
      found != JsonTokens::Fault::none) {
    fault(found);
  } else if (!tokens_.at_end()) {
    fail_json("expected nothing after the object");
  }
}

Result<std::string> encode_default(const google::protobuf::Descriptor* descriptor,
                                   std::string_view name, std::string_view value) {
  // A string of JSON can stand for a value of each type that has a default.
  PlanOptions options;
  options.unknown_fields = UnknownFields::dead_letter;
  WEIR_TRY_ASSIGN(DecodePlan plan, DecodePlan::compile(descriptor, std::move(options)));
  Decoder decoder(std::move(plan), nullptr);
  WireBuffer wire;
  WireBuffer key;
  const std::string record = "{" + json_quote(name) + ":" + json_quote(value) + "}";
  if (const Status status = decoder.decode(record, wire, key); !status.is_ok()) {
    std::string_view wrong = status.message();
    // The configuration may know the field by another name: the caller says which.
    if (const std::string path = fmt::format("{}: ", name); wrong.starts_with(path)) {
      wrong.remove_prefix(path.size());
    }
    return Status::stop(ExitCode::config, std::string(wrong));
  }
  return std::string(wire.view(0, wire.size()));
}

}  // namespace weir
