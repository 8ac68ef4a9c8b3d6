// The decoder against protobuf's own JSON parser: what one accepts the other accepts, as the same
// message; where they differ on purpose (the list in decoder.h), a row here says so.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/util/field_comparator.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "comments/v1/comment.pb.h"
#include "edits/v1/edit.pb.h"
#include "testdata/everything.pb.h"

#include "codec/decoder.h"
#include "codec/reasons.h"

namespace weir {
namespace {

namespace pb = google::protobuf;
using codec::test::Everything;

// The oracle's message; false: it refuses.
bool oracle(std::string_view json, pb::Message& message) {
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  return pb::util::JsonStringToMessage(pb::StringPiece(json.data(), json.size()), &message, options)
      .ok();
}

bool equal(const pb::Message& a, const pb::Message& b) {
  pb::util::DefaultFieldComparator comparator;
  comparator.set_treat_nan_as_equal(true);
  pb::util::MessageDifferencer differencer;
  differencer.set_field_comparator(&comparator);
  return differencer.Compare(a, b);
}

class Subject {
 public:
  explicit Subject(const pb::Descriptor* descriptor, PlanOptions options = {})
      : decoder_(DecodePlan::compile(descriptor, std::move(options)).value(), nullptr) {}

  // Decodes `json`, given in a buffer of exactly its size, and parses the wire bytes.
  Status decode(std::string_view json, pb::Message& message) {
    wire_.truncate(0);
    keys_.truncate(0);
    const std::vector<char> exact(json.begin(), json.end());
    Status status = decoder_.decode({exact.data(), exact.size()}, wire_, keys_);
    if (status.is_ok()) {
      EXPECT_TRUE(message.ParseFromString(wire())) << json;
    }
    return status;
  }

  std::string wire() const { return std::string(wire_.view(0, wire_.size())); }

 private:
  Decoder decoder_;
  WireBuffer wire_;
  WireBuffer keys_;
};

// Both refuse, or both accept and mean the same.
void expect_agreement(Subject& subject, std::string_view json) {
  Everything expected;
  Everything actual;
  const bool accepted = oracle(json, expected);
  const Status status = subject.decode(json, actual);
  EXPECT_EQ(accepted, status.is_ok()) << json << "\n"
                                      << (status.is_ok() ? "accepted" : status.message());
  if (accepted && status.is_ok()) {
    EXPECT_TRUE(equal(expected, actual)) << json << "\nexpected " << expected.ShortDebugString()
                                         << "\nactual   " << actual.ShortDebugString();
  }
}

// For each field, values of all kinds, the right ones and the wrong ones.
// NOLINTNEXTLINE(readability-function-size): a table
const std::vector<std::string>& values() {
  static const std::vector<std::string> cases = {
      "0",
      "-0",
      "1",
      "-1",
      "5",
      "-3",
      "7",
      "1.0",
      "1e0",
      "1.5",
      "-1.5",
      "100e-2",
      "0.1",
      "1e2",
      "2147483647",
      "2147483648",
      "-2147483648",
      "-2147483649",
      "4294967295",
      "4294967296",
      "9007199254740993",
      "9007199254740993.0",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775808",
      "-9223372036854775809",
      "18446744073709551615",
      "18446744073709551616",
      "12345678901234567890123",
      "1e19",
      "1e20",
      "1.8446744073709551615e19",
      "9.223372036854775807e18",
      "3.4028234663852886e38",
      "3.4028235e38",
      "3.4028235677973366e38",
      "3.40282356779733670e38",
      "-3.5e38",
      "1e38",
      "16777217",
      "9007199791611905",
      "1e-400",
      "4.9e-324",
      "1e308",
      "1.7976931348623157e308",
      "1e309",
      "-1e400",
      "true",
      "false",
      "null",
      R"("")",
      R"("0")",
      R"("1")",
      R"("-1")",
      R"("007")",
      R"("+7")",
      R"("-0")",
      R"("1.0")",
      R"("1.5")",
      R"("1e3")",
      R"("2147483648")",
      R"("9223372036854775807")",
      R"("18446744073709551615")",
      R"("18446744073709551616")",
      R"("3.4028235e38")",
      R"("3.4028235677973366e38")",
      R"("1e400")",
      R"("NaN")",
      R"("Infinity")",
      R"("-Infinity")",
      R"("nan")",
      R"("inf")",
      R"("infinity")",
      R"("true")",
      R"("TRUE")",
      R"("t")",
      R"("Yes")",
      R"("f")",
      R"("no")",
      R"("nope")",
      R"("plain")",
      R"("a,bC.dE")",
      R"("fooBar,BarBaz,a_B,,x")",
      R"("ABc.aBC")",
      R"("é 中文 \ud83d\ude00")",
      R"("\u0000\b\f\n\r\t\"\\\/")",
      R"("\u00e9\u4e2d")",
      R"("COLOUR_RED")",
      R"("COLOUR_CRIMSON")",
      R"("COLOUR_BLUE")",
      R"("COLOUR_NEGATIVE")",
      R"("colour_red")",
      R"("COLOUR_UNKNOWN")",
      R"("5")",
      R"("6")",
      R"("NULL_VALUE")",
      R"("YQ==")",
      R"("YQ")",
      R"("YQ=")",
      R"("YR==")",
      R"("YWI=")",
      R"("YWJj")",
      R"("+/+/")",
      R"("-_-_")",
      R"("+_+_")",
      R"("Y")",
      R"("YW I=")",
      R"("====")",
      R"("YWJjZA==")",
      R"("YWJj=")",
      R"("2015-09-12T00:46:58.771Z")",
      R"("1970-01-01T00:00:00Z")",
      R"("2000-02-29T23:59:59+01:30")",
      R"("1900-02-29T00:00:00Z")",
      R"("0001-01-01T00:00:00Z")",
      R"("9999-12-31T23:59:59.999999999Z")",
      R"("2015-09-12T00:46:58")",
      R"("2015-09-12 00:46:58Z")",
      R"("2015-09-12t00:46:58z")",
      R"("2015-9-1T1:2:3Z")",
      R"("2015-09-12T00:46:60Z")",
      R"("2015-09-12T24:00:00Z")",
      R"("2015-13-12T00:00:00Z")",
      R"("2015-09-12T00:46:58.Z")",
      R"("2015-09-12T00:46:58.1234567899Z")",
      R"("2015-09-12T00:46:58-08:00x")",
      R"("2015-09-12T00:46:58+24:00")",
      R"("1.5s")",
      R"("-1.5s")",
      R"("0s")",
      R"("-0.000000001s")",
      R"("1.s")",
      R"(".5s")",
      R"("1s ")",
      R"("1")",
      R"("315576000000s")",
      R"("315576000001s")",
      R"("1.0000000000s")",
      R"("1.0000000001s")",
      R"("1.1234567891s")",
      R"("--1s")",
      R"("+1s")",
      R"("1.5.5s")",
      R"("s")",
      "[]",
      "[1]",
      "[1,2,-3]",
      "[0,0]",
      "[null]",
      "[1,null,2]",
      R"(["1",2.0,3e0])",
      R"(["a","b"])",
      R"(["",""])",
      "[true,false]",
      R"(["COLOUR_RED",5,"COLOUR_UNKNOWN",77])",
      R"(["YQ==","-_8"])",
      "[1.5,\"NaN\"]",
      "[{}]",
      R"([{"id":"x"},{"number":3}])",
      R"(["2015-09-12T00:46:58.771Z"])",
      R"([1,"x",true,null,{"a":1},[1,[2]]])",
      R"([[1],[],["x",null]])",
      "{}",
      R"({"id":"x"})",
      R"({"id":"x","number":0,"small":{"id":"y","small":{}},"numbers":[1,2,3]})",
      R"({"numbers":[],"maybe":0})",
      R"({"id":null,"small":null,"numbers":null,"maybe":null})",
      R"({"id":1})",
      R"({"number":"x"})",
      R"({"small":[]})",
      R"({"unknown":{"a":[1,{"b":null}]}})",
      R"({"a":"b"})",
      R"({"a":"b","c":""})",
      R"({"a":null})",
      R"({"a":"b","a":"c"})",
      R"({"a":"b","\u0061":"c"})",
      R"({"1":2})",
      R"({"1":2,"01":3})",
      R"({"1":"2","-1":null})",
      R"({"x":1})",
      R"({"2147483648":1})",
      R"({"true":1.5,"false":"NaN"})",
      R"({"t":1})",
      R"({"1":{"id":"q","number":0}})",
      R"({"18446744073709551615":{}})",
      R"({"a":"COLOUR_BLUE","b":5})",
      R"({"a":"COLOUR_UNKNOWN"})",
      R"({"a":"2015-09-12T00:46:58.771Z"})",
      R"({"a":[1,2],"b":{"c":{}}})",
      R"({"1":"YQ=="})",
      R"({"a":[]})",
      R"({"a":{}})",
      R"({"a":true,"b":false,"c":1.25,"d":"x"})",
      R"({"a":{"a":1,"a":2}})",
      R"({"seconds":5,"nanos":7})",
      R"({"seconds":"5"})",
      R"({"value":5})",
      R"({"value":"x"})",
      R"({"value":0})",
      R"({"paths":["a","b_c"]})",
      R"({"values":[1,"x"]})",
      R"({"":5})",
      R"([{"":5}])",
      R"([{"id":"x","":{}},{"number":3}])",
      R"({"":"x","a":"b"})",
      R"({"a":{"":1,"b":2}})",
      R"({"value":5,"":6})",
      R"({"":[{"":1}]})",
      R"({"fields":{"a":1}})",
      R"({"@type":"type.googleapis.com/weir.codec.test.Small","id":"x","number":3})",
      R"({"id":"x","number":3,"@type":"type.googleapis.com/weir.codec.test.Small"})",
      R"({"@type":"type.googleapis.com/weir.codec.test.Small"})",
      R"({"@type":"type.googleapis.com/weir.codec.test.Small","id":5})",
      R"({"@type":"type.googleapis.com/weir.codec.test.Nothing","id":"x"})",
      R"({"@type":"weir.codec.test.Small","id":"x"})",
      R"({"@type":5})",
      R"({"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.5s"})",
      R"({"value":"1.5s","@type":"type.googleapis.com/google.protobuf.Duration"})",
      R"({"@type":"type.googleapis.com/google.protobuf.Duration","other":"1.5s"})",
      R"({"@type":"type.googleapis.com/google.protobuf.Value","value":[1,{"a":null}]})",
      R"({"@type":"type.googleapis.com/google.protobuf.Value","value":null})",
      R"({"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":[1]}})",
      R"({"@type":"type.googleapis.com/google.protobuf.ListValue","value":[1,"x"]})",
      R"({"@type":"type.googleapis.com/google.protobuf.Int32Value","value":7})",
      R"({"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/weir.codec.test.Small","id":"x"}})",
      R"({"@type":"type.googleapis.com/google.protobuf.Empty"})",
      R"({"@type":"type.googleapis.com/weir.codec.test.Everything","any":{"@type":"type.googleapis.com/weir.codec.test.Small","id":"in"},"int32s":[1,0]})",
  };
  return cases;
}

std::vector<std::string> field_names() {
  std::vector<std::string> names;
  const pb::Descriptor& type = *Everything::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    names.push_back(type.field(i)->name());
    if (type.field(i)->json_name() != type.field(i)->name()) {
      names.push_back(type.field(i)->json_name());
    }
  }
  return names;
}

// Whether `holds` of a value somewhere in `element`; names of members are none.
bool any_value(simdjson::dom::element element,
               const std::function<bool(simdjson::dom::element)>& holds) {
  if (holds(element)) {
    return true;
  }
  const auto within = [&holds](auto value) { return any_value(value, holds); };
  if (element.is_array()) {
    const simdjson::dom::array list = element.get_array();
    return std::any_of(list.begin(), list.end(), within);
  }
  if (element.is_object()) {
    for (const auto member : simdjson::dom::object(element.get_object())) {
      if (within(member.value)) {
        return true;
      }
    }
  }
  return false;
}

bool has_list_in_list(simdjson::dom::element value) {
  if (!value.is_array()) {
    return false;
  }
  const simdjson::dom::array list = value.get_array();
  return std::any_of(list.begin(), list.end(), [](auto item) { return item.is_array(); });
}

// A number for strtod, none for JSON.
bool is_lax_number(simdjson::dom::element value) {
  static const std::regex kNumber(R"(-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?)");
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS || text.empty()) {
    return false;
  }
  const std::string terminated(text);
  char* end = nullptr;
  std::strtod(terminated.c_str(), &end);
  return *end == '\0' && !std::regex_match(terminated, kNumber);
}

bool is_odd_mask(simdjson::dom::element value) {
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS &&
         text.find_first_of("()[]\"'") != std::string_view::npos;
}

// Where the decoder is stricter than the oracle on purpose; decoder.h lists why. What the decoder
// says is not enough: that must be so.
bool is_stricter_on_purpose(const Status& status, const std::string& json) {
  simdjson::dom::parser parser;
  simdjson::dom::element record;
  const auto error = parser.parse(simdjson::padded_string(json)).get(record);
  if (status.reason() == reason::kInvalidJson || status.reason() == reason::kInvalidUtf8) {
    // simdjson refuses numbers that are too large, too.
    static const std::regex kNoFraction(R"(\.(?!\d))");
    return error != simdjson::SUCCESS &&
           (error != simdjson::NUMBER_ERROR || std::regex_search(json, kNoFraction));
  }
  if (error != simdjson::SUCCESS) {
    return false;
  }
  const auto says = [&status](const char* what) {
    return status.message().find(what) != std::string::npos;
  };
  return (says("expected no list within a list") && any_value(record, has_list_in_list)) ||
         (says("without brackets or quotes") && any_value(record, is_odd_mask)) ||
         (says("expected a number, found \"") && any_value(record, is_lax_number));
}

std::string replaced(const std::string& text, const std::regex& what,
                     const std::function<std::string(const std::string& match)>& by) {
  std::string out;
  auto from = text.cbegin();
  for (std::sregex_iterator i(text.begin(), text.end(), what), end; i != end; ++i) {
    out.append(from, (*i)[0].first).append(by(i->str()));
    from = (*i)[0].second;
  }
  return out.append(from, text.cend());
}

// Where the decoder takes on purpose what the oracle refuses, or takes for something else. Without
// that which the oracle alone stumbles over, it says the same.
bool is_laxer_on_purpose(const Everything& actual, const std::string& json) {
  static const std::regex kNumber(R"(-?\d+(\.\d+)?[eE]\+?\d+)");
  static const std::regex kEmptyName(R"(""\s*:)");
  static const std::regex kList("google.protobuf.ListValue");
  const std::string small = replaced(json, kNumber, [](const std::string& number) {
    return std::isinf(std::strtod(number.c_str(), nullptr)) ? "0" : number;
  });
  int names = 0;
  replaced(small, kEmptyName, [&names](const std::string&) { return ++names, ""; });
  // Which of them: one is a key where it is in a map.
  for (unsigned renamed = 0; renamed < 1U << names; ++renamed) {
    int name = 0;
    const std::string mended = replaced(small, kEmptyName, [&](const std::string& empty) {
      return ((renamed >> name++) & 1U) != 0 ? R"("no such field":)" : empty;
    });
    Everything expected;
    if (oracle(mended, expected) && equal(expected, actual)) {
      return true;
    }
  }
  Everything expected;
  return std::regex_search(small, kList) &&
         oracle(std::regex_replace(small, kList, "google.protobuf.Value"), expected);
}

// Whatever the two make of `json`, they agree, or differ on purpose. True: both take it.
bool expect_agreement_or_purpose(Subject& subject, const std::string& json) {
  Everything expected;
  Everything actual;
  const bool accepted = oracle(json, expected);
  const Status status = subject.decode(json, actual);
  const std::string_view message = status.is_ok() ? "accepted" : std::string_view(status.message());
  if (!status.is_ok()) {
    EXPECT_EQ(status.remedy(), Remedy::dead_letter);
    EXPECT_TRUE(!accepted || is_stricter_on_purpose(status, json)) << json << "\n" << message;
  } else if (!accepted || !equal(expected, actual)) {
    EXPECT_TRUE(is_laxer_on_purpose(actual, json))
        << json << "\nexpected " << (accepted ? expected.ShortDebugString() : "a refusal")
        << "\nactual   " << actual.ShortDebugString();
  }
  return accepted && status.is_ok();
}

TEST(Oracle, EachFieldTakesAndRefusesWhatProtobufsParserDoes) {
  Subject subject(Everything::descriptor());
  int accepted_count = 0;
  for (const std::string& name : field_names()) {
    for (const std::string& value : values()) {
      const std::string json = "{\"" + name + "\": " + value + "}";
      accepted_count += expect_agreement_or_purpose(subject, json) ? 1 : 0;
    }
  }
  EXPECT_GT(accepted_count, 1000);
}

TEST(Oracle, EqualNamesMeanWhatProtobufsParserMakesOfThem) {
  Subject subject(Everything::descriptor());
  for (
      const char* json : {
          R"({"int32_field":5,"int32_field":0})",
          R"({"int32_field":5,"int32Field":6})",
          R"({"int32_field":5,"int32_field":null})",
          R"({"string_field":"x","string_field":""})",
          R"({"small":{"id":"x","number":4},"small":{"number":0}})",
          R"({"small":{"small":{"number":4}},"small":{"small":{"number":0}}})",
          R"({"timestamp":"2015-09-12T00:46:58.771Z","timestamp":"1970-01-01T00:00:00Z"})",
          R"({"int32_value":5,"int32_value":0})",
          R"({"int32s":[1],"int32s":[0,2],"int32s":3})",
          R"({"smalls":{"id":"x"},"smalls":[{"number":0}]})",
          R"({"optional_int32":5,"optional_int32":6})",
          R"({"optional_int32":null,"optional_int32":6})",
          R"({"choice_string":"x","choice_int32":5})",
          R"({"choice_string":"x","choice_string":"y"})",
          R"({"choice_string":null,"choice_int32":5})",
          R"({"choice_null":null,"choice_int32":5})",
          R"({"choice_null":null})",
          R"({"choice_value":null})",
          R"({"choice_small":{},"choice_time":null})",
          R"({"choice_colour":"COLOUR_UNKNOWN","choice_int32":5})",
          R"({"string_map":{"a":"x"},"string_map":{"a":"y","b":"z"}})",
          R"({"small_map":{"1":{"number":5}},"small_map":{"1":{"id":"x"}}})",
          R"({"colour":"COLOUR_RED","colour":"COLOUR_UNKNOWN"})",
          R"({"value":1,"value":"x"})",
          R"({"structure":{"a":1},"structure":{"b":2}})",
          R"({"everything":{"everything":{"smalls":[{}]},"bool_field":true},"everything":{"bool_field":false}})",
      }) {
    expect_agreement(subject, json);
  }
}

TEST(Oracle, TheRecordAsAWhole) {
  Subject subject(Everything::descriptor());
  for (const char* json : {"{}",
                           " {} ",
                           "\r\n\t{ }\n",
                           "",
                           " ",
                           "null",
                           "1",
                           "\"x\"",
                           "[]",
                           "[{}]",
                           "{",
                           "}",
                           "{}{}",
                           "{},",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1",
                           "{\"a\" 1}",
                           "{\"int32_field\":1 \"bool_field\":true}",
                           "{\"a\":1}x",
                           "{\"a\":tru}",
                           "{\"a\":truex}",
                           "{\"a\":nul}",
                           "{\"a\":-}",
                           "{\"a\":01}",
                           "{\"a\":1.e1}",
                           "{\"int32_field\":tru}",
                           "{\"string_field\":\"x}",
                           "{\"string_field\":\"\\ud800\"}",
                           "{\"string_field\":\"\\udc00\"}",
                           "{\"string_field\":\"\\udc00\\udc00\"}",
                           "{\"string_field\":\"\\ud800\\u0041\"}",
                           "{\"string_field\":\"\\u12\"}",
                           "{\"a\":\"\\ud800\"}",
                           "\xEF\xBB\xBF{}"}) {
    expect_agreement_or_purpose(subject, json);
  }
}

TEST(Oracle, StrictnessOfItsOwnIsPinned) {
  struct Row {
    const char* json;
    std::string_view reason;
  };

  Subject subject(Everything::descriptor());
  for (const Row& row : std::vector<Row>{
           {R"({"int32_field":1,})", reason::kInvalidJson},
           {R"({"int32s":[1,]})", reason::kInvalidJson},
           {R"({int32_field:1})", reason::kInvalidJson},
           {R"({'string_field':'x'})", reason::kInvalidJson},
           {"{\"string_field\":\"a\tb\"}", reason::kInvalidJson},
           {R"({"string_field":"\q"})", reason::kInvalidJson},
           {R"({"double_field":1.})", reason::kInvalidJson},
           {"{\"int32_field\":\f1}", reason::kInvalidJson},
           {R"({"int32s":[[1,2],[3]]})", reason::kTypeMismatch},
           {R"({"double_field":"0x10"})", reason::kTypeMismatch},
           {R"({"double_field":".5"})", reason::kTypeMismatch},
           {"{\"mask\":\"a(b,c)\"}", reason::kTypeMismatch},
           {R"({"duration":"18446744073709551615s"})", reason::kOutOfRange},
           {R"({"timestamp":"0001-01-01T00:00:00+23:00"})", reason::kOutOfRange},
       }) {
    Everything expected;
    Everything actual;
    EXPECT_TRUE(oracle(row.json, expected)) << row.json;
    const Status status = subject.decode(row.json, actual);
    ASSERT_FALSE(status.is_ok()) << row.json;
    EXPECT_EQ(status.reason(), row.reason) << row.json << ": " << status.message();
  }
}

TEST(Oracle, WhatItAloneTakesIsPinned) {
  struct Row {
    const char* json;
    const char* meaning;
  };

  Subject subject(Everything::descriptor());
  for (const Row& row : std::vector<Row>{
           {R"({"":1})", "{}"},
           {R"({"unknown":1e999})", "{}"},
           {R"({"small":{"id":"x","":1}})", R"({"small":{"id":"x"}})"},
           // The parser takes it for a field with the number of the list.
           {R"({"wrapped":[{"value":5,"":6}]})", R"({"wrapped":[{"value":5}]})"},
       }) {
    Everything expected;
    Everything actual;
    const bool accepted = oracle(row.json, actual);
    ASSERT_TRUE(oracle(row.meaning, expected)) << row.json;
    EXPECT_FALSE(accepted && equal(expected, actual)) << row.json;
    ASSERT_TRUE(subject.decode(row.json, actual).is_ok()) << row.json;
    EXPECT_TRUE(equal(expected, actual)) << row.json << ": " << actual.ShortDebugString();
  }
  Everything message;
  const char* any =
      R"({"any":{"@type":"type.googleapis.com/google.protobuf.ListValue","value":[1]}})";
  EXPECT_FALSE(oracle(any, message));
  ASSERT_TRUE(subject.decode(any, message).is_ok());
  pb::ListValue list;
  ASSERT_TRUE(message.any().UnpackTo(&list));
  EXPECT_EQ(list.ShortDebugString(), "values { number_value: 1 }");
}

TEST(Oracle, WhatDecodesParsesBackHoweverDeep) {
  Subject subject(Everything::descriptor());
  for (const auto& [open, close] : std::vector<std::pair<std::string, std::string>>{
           {R"({"everything":)", "}"}, {R"({"structure":{"a":)", "}}"}, {"[", "]"}}) {
    for (int levels = 1; levels < 60; ++levels) {
      std::string json = open.front() == '[' ? "{\"value\":" : "";
      for (int i = 0; i < levels; ++i) {
        json += i > 0 && open.size() > 18 ? R"({"a":)" : open;
      }
      json += "null";
      for (int i = 0; i < levels; ++i) {
        json += i > 0 && open.size() > 18 ? "}" : close;
      }
      json += open.front() == '[' ? "}" : "";
      expect_agreement(subject, json);
    }
  }
}

// ---- random ----

class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed), names_(field_names()) {}

  std::string record() {
    std::string json = object(0);
    for (std::size_t edits = below(4) < 3 ? 0 : 1 + below(3); edits > 0; --edits) {
      edit(json);
    }
    return json;
  }

 private:
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  std::string space() { return below(8) == 0 ? std::string(1, " \n\t\r"[below(4)]) : ""; }

  std::string object(int depth) {
    std::string json = space() + "{" + space();
    const std::size_t members = below(5);
    for (std::size_t i = 0; i < members; ++i) {
      json += i == 0 ? "" : "," + space();
      const bool nests = depth < 3 && below(6) == 0;
      if (nests) {
        json += below(2) == 0 ? R"("everything":)" : R"("unknown":)";
        json += object(depth + 1);
      } else {
        json += "\"" + names_[below(names_.size())] + "\":" + space();
        json += values()[below(values().size())] + space();
      }
    }
    return json + "}" + space();
  }

  void edit(std::string& json) {
    static const std::string kBytes = "{}[]:,\"\\ \n019.eE-+tfnu/a\x01\x7f\xc3\xa9\xff";
    const std::size_t at = below(json.size() + 1);
    switch (below(5)) {
      case 0:
        json.insert(at, 1, kBytes[below(kBytes.size())]);
        break;
      case 1:
        json.erase(at, 1 + below(3));
        break;
      case 2:
        if (at < json.size()) {
          json[at] = kBytes[below(kBytes.size())];
        }
        break;
      case 3:
        json.resize(at);
        break;
      default:
        json.insert(at, json.substr(below(json.size() + 1), below(12)));
        break;
    }
    if (json.empty()) {
      json = "{";
    }
  }

  std::mt19937 random_;
  std::vector<std::string> names_;
};

TEST(Oracle, AgreesOnRandomRecords) {
  constexpr int kRecords = 30'000;
  Generator generator(20150912);
  Subject subject(Everything::descriptor());
  Subject again(Everything::descriptor());
  int accepted_count = 0;
  for (int i = 0; i < kRecords && !HasFailure(); ++i) {
    const std::string json = generator.record();
    accepted_count += expect_agreement_or_purpose(subject, json) ? 1 : 0;
    // The same bytes, whatever this decoder has seen before.
    if (i % 16 == 0) {
      Everything ignored;
      EXPECT_EQ(subject.decode(json, ignored).is_ok(), again.decode(json, ignored).is_ok());
      EXPECT_EQ(subject.wire(), again.wire());
    }
  }
  EXPECT_GT(accepted_count, kRecords / 8);
}

TEST(Oracle, SyntaxIsJudgedAsSimdjsonsFullParserDoes) {
  Generator generator(42);
  PlanOptions options;
  Decoder decoder(DecodePlan::compile(nullptr, options).value(), nullptr);
  simdjson::dom::parser parser;
  int invalid = 0;
  for (int i = 0; i < 30'000 && !HasFailure(); ++i) {
    const std::string json = generator.record();
    WireBuffer wire;
    WireBuffer key;
    simdjson::dom::element element;
    const simdjson::error_code error = parser.parse(simdjson::padded_string(json)).get(element);
    if (error == simdjson::NUMBER_ERROR) {
      continue;  // it also refuses numbers that no 64 bits hold
    }
    const Status status = decoder.decode(json, wire, key);
    const bool object = error == simdjson::SUCCESS && element.is_object();
    invalid += object ? 0 : 1;
    EXPECT_EQ(object, status.is_ok()) << json << "\n" << simdjson::error_message(error);
  }
  EXPECT_GT(invalid, 1000);
}

// ---- real records ----

// Each line of the demo's data.
template <class Message>
void expect_agreement_on_lines_of(const std::string& command, int lines) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(::popen(command.c_str(), "r"), ::pclose);
  ASSERT_NE(file, nullptr);
  Subject subject(Message::descriptor());
  char* line = nullptr;
  std::size_t capacity = 0;
  int seen = 0;
  for (ssize_t size = 0; (size = ::getline(&line, &capacity, file.get())) > 0; ++seen) {
    const std::string_view json(line, static_cast<std::size_t>(size));
    Message expected;
    Message actual;
    ASSERT_TRUE(oracle(json, expected)) << json;
    ASSERT_TRUE(subject.decode(json, actual).is_ok()) << json;
    ASSERT_TRUE(equal(expected, actual)) << actual.ShortDebugString();
    // Nothing that a serializer would leave out.
    ASSERT_EQ(subject.wire().size(), expected.ByteSizeLong()) << json;
  }
  std::free(line);
  EXPECT_EQ(seen, lines);
}

TEST(Oracle, AgreesOnAllRealComments) {
  expect_agreement_on_lines_of<comments::v1::Comment>("cat ops/demo-data/comments.jsonl", 1'148);
}

TEST(Oracle, AgreesOnAllRealEdits) {
  expect_agreement_on_lines_of<edits::v1::Edit>("gzip -dc ops/demo-data/edits.jsonl.gz", 30'000);
}

}  // namespace
}  // namespace weir
