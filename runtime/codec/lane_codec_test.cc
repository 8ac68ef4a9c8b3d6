#include "codec/lane_codec.h"

#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"
#include "testdata/everything.pb.h"

#include "codec/reasons.h"

namespace {
std::size_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  void* const at = std::malloc(size == 0 ? 1 : size);
  if (at == nullptr) {
    throw std::bad_alloc();
  }
  return at;
}

// A library may use it; the sanitizers' own doesn't go with the delete below.
void* operator new(std::size_t size, const std::nothrow_t& /*nothrow*/) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}

// Not inlined: g++ 12 would take free for the wrong partner of the new that it didn't inline.
[[gnu::noinline]] void operator delete(void* at) noexcept {
  std::free(at);
}

[[gnu::noinline]] void operator delete(void* at, std::size_t /*size*/) noexcept {
  std::free(at);
}

namespace weir {
namespace {

using codec::test::Everything;
using comments::v1::Comment;
using Form = InputFormat::Form;

RawRecord record(std::optional<std::string_view> value, std::uint16_t input = 0) {
  RawRecord raw{};
  raw.where.input = InputIndex(input);
  raw.value = value;
  return raw;
}

InputFormat format(Form form, const google::protobuf::Descriptor* descriptor,
                   std::vector<std::string> key = {}) {
  InputFormat made;
  made.form = form;
  made.descriptor = descriptor;
  made.options.key = std::move(key);
  return made;
}

// The outcome of one value: its key's bytes, or its reason in angle brackets.
std::string key_of(const InputFormat& input, std::optional<std::string_view> value) {
  auto codec = LaneCodec::make({&input, 1}, nullptr).value();
  const RawRecord raw = record(value);
  Decoded decoded;
  codec->decode({&raw, 1}, {&decoded, 1});
  return decoded.status.is_ok() ? std::string(decoded.declared_key)
                                : "<" + decoded.status.reason() + ">";
}

TEST(LaneCodec, DecodesABatchOfSeveralInputsAndTheViewsHoldTogether) {
  const std::vector<InputFormat> inputs = {
      format(Form::json, Comment::descriptor(), {"comment_id"}),
      format(Form::protobuf, Comment::descriptor(), {"comment_id"}), format(Form::bytes, nullptr),
      format(Form::json, nullptr, {"id"})};
  auto codec = LaneCodec::make(inputs, nullptr).value();
  Comment comment;
  comment.set_comment_id("c2");
  const std::string wire = comment.SerializeAsString();
  // Enough to make the buffers move while the batch is decoded.
  std::vector<std::string> values;
  std::vector<RawRecord> records;
  for (int i = 0; i < 500; ++i) {
    values.push_back(R"({"comment_id":"c)" + std::to_string(i) + R"(","content":")" +
                     std::string(100, 'x') + "\"}");
  }
  for (const std::string& value : values) {
    records.push_back(record(value, 0));
  }
  records.push_back(record(wire, 1));
  records.push_back(record("\xff", 2));
  records.push_back(record(R"( {"id": 7, "x": [1]} )", 3));
  std::vector<Decoded> decoded(records.size());
  codec->decode(records, decoded);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_TRUE(decoded[i].status.is_ok());
    Comment read;
    ASSERT_TRUE(read.ParseFromString(std::string(decoded[i].wire)));
    EXPECT_EQ(read.comment_id(), "c" + std::to_string(i));
    EXPECT_EQ(decoded[i].declared_key, DedupKey::of(read.comment_id()).bytes());
  }
  EXPECT_EQ(decoded[500].wire.data(), wire.data());
  EXPECT_EQ(decoded[500].declared_key, DedupKey::of("c2").bytes());
  EXPECT_EQ(decoded[501].wire, "\xff");
  EXPECT_TRUE(decoded[501].declared_key.empty());
  EXPECT_EQ(decoded[502].wire, R"( {"id": 7, "x": [1]} )");
  EXPECT_EQ(decoded[502].declared_key, DedupKey().add_number("7").bytes());
}

TEST(LaneCodec, ABadRecordLeavesItsNeighboursAlone) {
  const InputFormat input = format(Form::json, Comment::descriptor(), {"comment_id"});
  auto codec = LaneCodec::make({&input, 1}, nullptr).value();
  const std::vector<RawRecord> records = {record(R"({"comment_id":"a"})"),
                                          record(R"({"comment_id":"b","content":1})"),
                                          record(std::nullopt), record(R"({"comment_id":"d"})")};
  std::vector<Decoded> decoded(records.size());
  codec->decode(records, decoded);
  EXPECT_EQ(decoded[0].wire,
            "\x0a\x01"
            "a");
  EXPECT_EQ(decoded[1].status.reason(), reason::kTypeMismatch);
  EXPECT_EQ(decoded[1].status.message(), "content: expected a string, found 1");
  EXPECT_TRUE(decoded[1].wire.empty());
  EXPECT_TRUE(decoded[1].declared_key.empty());
  EXPECT_EQ(decoded[2].status.reason(), reason::kTombstone);
  EXPECT_EQ(decoded[3].wire,
            "\x0a\x01"
            "d");
}

TEST(LaneCodec, AWarmCodecAllocatesNothing) {
  InputFormat input = format(Form::json, Everything::descriptor(), {"string_field", "int32_field"});
  input.options.event_time = EventTime{"timestamp", "at", TimeFormat::rfc3339, ""};
  input.options.trim = {"string_field"};
  auto codec = LaneCodec::make({&input, 1}, nullptr).value();
  const std::vector<RawRecord> records(
      100, record(R"({"string_field":" a\u0062cdefghijklmnopqrstuvwxyz ","int32_field":7,
        "at":"2015-09-12T00:46:58.771Z","unknown":{"x":[1,{"y":"\n"}]},"small":{"small":{"z":1}},
        "string_map":{"one":"1","t\u0077o":"2"},"structure":{"a":[1,null,{"b":true}]},
        "colours":["COLOUR_RED",5],"bytes_field":"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=",
        "mask":"aB,cD","double_field":1.25,"int64_field":"-9","duration":"1.5s"})"));
  std::vector<Decoded> decoded(records.size());
  codec->decode(records, decoded);
  ASSERT_TRUE(decoded[0].status.is_ok()) << decoded[0].status.message();
  const std::size_t before = allocations;
  codec->decode(records, decoded);
  EXPECT_EQ(allocations, before);
}

TEST(LaneCodec, CountsPerBatchAndNamesEachUnknownFieldOnce) {
  const InputFormat input = format(Form::json, Comment::descriptor());
  std::vector<std::string> names;
  auto codec = LaneCodec::make({&input, 1}, [&names](std::string_view name) {
                 names.emplace_back(name);
               }).value();
  const std::vector<RawRecord> records = {record(R"({"date":null,"spam":{"x":1},"class":1})"),
                                          record(R"({"class":1,"date":2})")};
  std::vector<Decoded> decoded(records.size());
  EXPECT_EQ(codec->decode(records, decoded).unknown_fields, 5U);
  EXPECT_EQ(codec->decode(records, decoded).unknown_fields, 5U);
  EXPECT_EQ(names, (std::vector<std::string>{"date", "comments.v1.SpamVerdict.x", "class"}));
}

TEST(LaneCodec, NamesAtMostAHundredUnknownFields) {
  const InputFormat input = format(Form::json, Comment::descriptor());
  int named = 0;
  auto codec = LaneCodec::make({&input, 1}, [&named](std::string_view) { ++named; }).value();
  std::uint64_t counted = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string value = "{\"f" + std::to_string(i) + "\":1}";
    const RawRecord raw = record(value);
    Decoded decoded;
    counted += codec->decode({&raw, 1}, {&decoded, 1}).unknown_fields;
  }
  EXPECT_EQ(named, 100);
  EXPECT_EQ(counted, 300U);
}

TEST(LaneCodec, UnknownFieldsAreDeadLettersWhenAskedFor) {
  InputFormat input = format(Form::json, Everything::descriptor());
  input.options.unknown_fields = UnknownFields::dead_letter;
  EXPECT_EQ(key_of(input, R"({"int32_field":1})"), "");
  EXPECT_EQ(key_of(input, R"({"int32_feld":1})"), "<unknown_field>");
  EXPECT_EQ(key_of(input, R"({"small":{"x":1}})"), "<unknown_field>");
  EXPECT_EQ(key_of(input, R"({"colour":"COLOUR_X"})"), "<unknown_field>");
}

TEST(LaneCodec, KeyBytesTellStringsNumbersAndTruthValuesApart) {
  const InputFormat input = format(Form::json, nullptr, {"id"});
  EXPECT_EQ(key_of(input, R"({"id":"1"})"), DedupKey().add_string("1").bytes());
  EXPECT_EQ(key_of(input, R"({"id":1})"), DedupKey().add_number("1").bytes());
  EXPECT_EQ(key_of(input, R"({"id": 1.0 })"), DedupKey().add_number("1.0").bytes());
  EXPECT_EQ(key_of(input, R"({"id":-0})"), DedupKey().add_number("-0").bytes());
  EXPECT_EQ(key_of(input, R"({"id":12345678901234567890123})"),
            DedupKey().add_number("12345678901234567890123").bytes());
  EXPECT_EQ(key_of(input, R"({"id":true})"), DedupKey().add_bool(true).bytes());
  EXPECT_EQ(key_of(input, R"({"id":"\u0061\u0000\n"})"),
            DedupKey().add_string(std::string_view("a\0\n", 3)).bytes());
  EXPECT_EQ(key_of(input, R"({"i\u0064":"a"})"), DedupKey().add_string("a").bytes());
}

TEST(LaneCodec, CompositeKeysFollowTheDeclaredOrder) {
  const InputFormat input = format(Form::json, nullptr, {"time", "user", "page"});
  const std::string key(DedupKey().add_string("t").add_number("5").add_bool(false).bytes());
  EXPECT_EQ(key_of(input, R"({"time":"t","user":5,"page":false})"), key);
  EXPECT_EQ(key_of(input, R"({"page":false,"x":{"time":"z"},"user":5,"time":"t"})"), key);
  EXPECT_EQ(key_of(input, R"({"time":"t","user":5})"), "<missing_key>");
}

TEST(LaneCodec, KeysThatAreMissingBadOrDouble) {
  InputFormat input = format(Form::json, nullptr, {"id"});
  for (const char* value : {R"({})", R"({"id":null})", R"({"id":""})", R"({"ID":"x"})"}) {
    EXPECT_EQ(key_of(input, value), "<missing_key>") << value;
  }
  EXPECT_EQ(key_of(input, R"({"id":{}})"), "<bad_key>");
  EXPECT_EQ(key_of(input, R"({"id":[1]})"), "<bad_key>");
  EXPECT_EQ(key_of(input, R"({"id":1,"id":1})"), "<duplicate_key_field>");
  EXPECT_EQ(key_of(input, R"({"id":null,"\u0069d":1})"), "<duplicate_key_field>");
  EXPECT_EQ(key_of(input, R"({"id":1,"id":1)"), "<invalid_json>");
  EXPECT_EQ(key_of(input, R"({"id":1,"x":1,"x":2})"), DedupKey().add_number("1").bytes());
  input.options.on_missing_key = OnMissingKey::pass;
  for (const char* value : {R"({})", R"({"id":null})", R"({"id":""})"}) {
    EXPECT_EQ(key_of(input, value), "") << value;
  }
  EXPECT_EQ(key_of(input, R"({"id":1,"id":1})"), "<duplicate_key_field>");
}

TEST(LaneCodec, ARecordWithoutItsWholeKeyIsADeadLetterOrPassesWithoutAKey) {
  for (const auto& [form, value] : std::vector<std::pair<Form, std::string_view>>{
           {Form::json, R"({"int32_field":1})"},
           {Form::json, R"({"int32_field":1,"string_field":""})"},
           {Form::protobuf, "\x08\x01"},
           {Form::protobuf, {"\x08\x01\x72\x00", 4}}}) {
    InputFormat input = format(form, Everything::descriptor(), {"int32_field", "string_field"});
    EXPECT_EQ(key_of(input, value), "<missing_key>") << value;
    input.options.on_missing_key = OnMissingKey::pass;
    EXPECT_EQ(key_of(input, value), "") << value;
  }
}

TEST(LaneCodec, AValueOverItsLimitIsADeadLetterInEachForm) {
  for (const auto& [form, value] :
       std::vector<std::pair<Form, std::string_view>>{{Form::json, R"({"string_field":"s"})"},
                                                      {Form::protobuf, "\x72\x01s"},
                                                      {Form::bytes, "\xff\xff"}}) {
    InputFormat input = format(form, Everything::descriptor());
    input.options.value_bytes_max = value.size();
    EXPECT_EQ(key_of(input, value), "") << value;
    input.options.value_bytes_max = value.size() - 1;
    EXPECT_EQ(key_of(input, value), "<too_large>") << value;
  }
}

TEST(LaneCodec, AFieldsTwoNamesFillOneKey) {
  const InputFormat input = format(Form::json, Comment::descriptor(), {"comment_id"});
  EXPECT_EQ(key_of(input, R"({"commentId":"a"})"), DedupKey::of("a").bytes());
  EXPECT_EQ(key_of(input, R"({"commentId":"a","comment_id":"a"})"), "<duplicate_key_field>");
}

TEST(LaneCodec, AKeyMayBeAFieldThatTheMessageLacks) {
  const InputFormat input = format(Form::json, Comment::descriptor(), {"uuid"});
  EXPECT_EQ(key_of(input, R"({"uuid":"a"})"), DedupKey::of("a").bytes());
}

TEST(LaneCodec, TheKeyOfANestedMessageOfTheSameTypeDoesNotCount) {
  const InputFormat input = format(Form::json, codec::test::Small::descriptor(), {"id"});
  EXPECT_EQ(key_of(input, R"({"small":{"id":"inner"},"id":"outer"})"),
            DedupKey::of("outer").bytes());
  EXPECT_EQ(key_of(input, R"({"small":{"id":"inner"}})"), "<missing_key>");
}

std::string wire_key(const Everything& message, std::vector<std::string> key,
                     std::string_view behind = {}) {
  return key_of(format(Form::protobuf, Everything::descriptor(), std::move(key)),
                message.SerializeAsString() + std::string(behind));
}

std::string number(std::string_view token) {
  return std::string(DedupKey().add_number(token).bytes());
}

TEST(LaneCodec, ProtobufKeysAreReadFromTheWire) {
  Everything message;
  message.set_string_field("s");
  message.set_int32_field(-5);
  message.set_sint64_field(-6);
  message.set_sint32_field(-2147483648);
  message.set_uint64_field(18446744073709551615U);
  message.set_sfixed32_field(-7);
  message.set_fixed64_field(8);
  message.set_bool_field(true);
  message.set_colour(codec::test::COLOUR_NEGATIVE);
  EXPECT_EQ(wire_key(message, {"string_field"}), DedupKey::of("s").bytes());
  EXPECT_EQ(wire_key(message, {"int32Field"}), number("-5"));
  EXPECT_EQ(wire_key(message, {"sint64_field"}), number("-6"));
  EXPECT_EQ(wire_key(message, {"sint32_field"}), number("-2147483648"));
  EXPECT_EQ(wire_key(message, {"uint64_field"}), number("18446744073709551615"));
  EXPECT_EQ(wire_key(message, {"sfixed32_field"}), number("-7"));
  EXPECT_EQ(wire_key(message, {"fixed64_field"}), number("8"));
  EXPECT_EQ(wire_key(message, {"bool_field"}), DedupKey().add_bool(true).bytes());
  EXPECT_EQ(wire_key(message, {"colour"}), number("-3"));
  EXPECT_EQ(wire_key(message, {"int64_field"}), number("0"));
  EXPECT_EQ(wire_key(message, {"optional_int32"}), "<missing_key>");
  EXPECT_EQ(wire_key(Everything(), {"string_field"}), "<missing_key>");
  EXPECT_EQ(wire_key(message, {"string_field", "bool_field"}),
            DedupKey().add_string("s").add_bool(true).bytes());
}

TEST(LaneCodec, TheLastOfTwoEqualWireFieldsIsTheKey) {
  Everything first;
  first.set_string_field("a");
  Everything last;
  last.set_string_field("b");
  EXPECT_EQ(wire_key(first, {"string_field"}, last.SerializeAsString()), DedupKey::of("b").bytes());
}

// Such fields are unknown ones to protobuf, and the stage doesn't see them.
TEST(LaneCodec, AFieldWithTheKeysNumberAndAnotherWireTypeIsNotTheKey) {
  Everything message;
  message.set_int32_field(5);
  message.set_string_field("s");
  EXPECT_EQ(wire_key(message, {"string_field"}, "\x70\x01"), DedupKey::of("s").bytes());
  EXPECT_EQ(wire_key(message, {"int32_field"}, "\x0a\x01x"), number("5"));
}

TEST(LaneCodec, AVarintTooLongForItsFieldIsTheKeyThatTheStageReads) {
  const std::string varint = "\x82\x80\x80\x80\x10";  // 2^32 + 2
  const std::string wire = "\x08" + varint + "\x18" + varint + "\x28" + varint;
  Everything read;
  ASSERT_TRUE(read.ParseFromString(wire));
  EXPECT_EQ(wire_key({}, {"int32_field"}, wire), number(std::to_string(read.int32_field())));
  EXPECT_EQ(wire_key({}, {"uint32_field"}, wire), number(std::to_string(read.uint32_field())));
  EXPECT_EQ(wire_key({}, {"sint32_field"}, wire), number(std::to_string(read.sint32_field())));
}

TEST(LaneCodec, BytesThatAreNoProtobufAreDeadLetters) {
  const InputFormat input = format(Form::protobuf, Everything::descriptor());
  for (const std::string_view value : {"\x0a",
                                       "\x0a\x05"
                                       "ab",
                                       "\xff", "{\"a\":1}"}) {
    EXPECT_EQ(key_of(input, value), "<invalid_protobuf>");
  }
  EXPECT_EQ(key_of(input, ""), "");
}

TEST(LaneCodec, RefusesKeysThatCantBeKeys) {
  for (const auto& [form, key, message] : std::vector<std::tuple<Form, std::string, std::string>>{
           {Form::json, "smalls",
            "dedup.key: weir.codec.test.Everything.smalls is repeated; a key "
            "is made of strings, numbers and truth values"},
           {Form::json, "structure",
            "dedup.key: weir.codec.test.Everything.structure is a message; "
            "a key is made of strings, numbers and truth values"},
           {Form::protobuf, "strin_field",
            "dedup.key: weir.codec.test.Everything has no field \"strin_field\"; did you mean "
            "\"string_field\"?"},
           {Form::protobuf, "double_field",
            "dedup.key: weir.codec.test.Everything.double_field is a double; a key is made of "
            "strings, integers and truth values"},
           {Form::bytes, "x", "dedup.key: values that pass as bytes have no fields"}}) {
    const InputFormat input = format(form, Everything::descriptor(), {key});
    const auto codec = LaneCodec::make({&input, 1}, nullptr);
    ASSERT_FALSE(codec.is_ok());
    EXPECT_EQ(codec.status().message(), message);
    EXPECT_EQ(codec.status().exit_code(), ExitCode::config);
  }
}

}  // namespace
}  // namespace weir
