#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hello/v1/hello.pb.h"

#include "weir/message_pool.h"
#include "weir/stage.h"

namespace weir {
namespace {

using hello::v1::Greeting;
using hello::v1::Name;
using ::testing::HasSubstr;

Record record_at(std::uint32_t index, std::string_view wire, MessagePool& pool) {
  Record::Parts parts;
  parts.wire = wire;
  parts.pool = &pool;
  parts.index = index;
  parts.key = "k";
  return Record(parts);
}

TEST(DedupKey, AStringAndANumberOfTheSameDigitsDiffer) {
  EXPECT_NE(DedupKey().add_string("1").bytes(), DedupKey().add_number("1").bytes());
}

TEST(DedupKey, ComponentsDoNotRunIntoEachOther) {
  EXPECT_NE(DedupKey().add_string("ab").add_string("c").bytes(),
            DedupKey().add_string("a").add_string("bc").bytes());
}

TEST(DedupKey, IsTypeTagLengthAndContent) {
  EXPECT_EQ(DedupKey::of("ab").bytes(), std::string_view("s\x02\0\0\0ab", 7));
}

// The template's stage took records without an id for one record.
TEST(DedupKey, OfAnEmptyTextIsNone) {
  EXPECT_TRUE(DedupKey::of("").is_empty());
  EXPECT_FALSE(DedupKey().add_string("").is_empty());
}

TEST(DedupKey, ItsTextIsTheContentsJoinedByCommas) {
  EXPECT_EQ(DedupKey().text(), "");
  EXPECT_EQ(DedupKey().add_string("").text(), "");
  EXPECT_EQ(DedupKey::of("ab").text(), "ab");
  EXPECT_EQ(DedupKey::of(std::string(300, 'x')).text(), std::string(300, 'x'));
  EXPECT_EQ(DedupKey().add_string("a").add_number("007").add_bool(true).text(), "a,007,1");
}

TEST(Status, NamesItsRemedyAndKeepsItWithinAContext) {
  const Status status = Status::stop(ExitCode::config, "no such topic").within("input comments");
  EXPECT_EQ(status.remedy(), Remedy::stop);
  EXPECT_EQ(status.exit_code(), ExitCode::config);
  EXPECT_EQ(status.message(), "input comments: no such topic");
}

TEST(Record, ParsesItsMessageOnceAndIntoReusedObjects) {
  MessagePool pool;
  Name name;
  name.set_name("Ada");
  const std::string wire = name.SerializeAsString();
  const Record record = record_at(0, wire, pool);
  const Name* first = &record.message<Name>();
  EXPECT_EQ(first->name(), "Ada");
  EXPECT_EQ(&record.message<Name>(), first);
  pool.reset();
  EXPECT_EQ(&record_at(0, wire, pool).message<Name>(), first);
}

TEST(Record, BytesThatAreNoMessageThrow) {
  MessagePool pool;
  const Record record = record_at(0, "\xff\xff", pool);
  EXPECT_THROW((void)record.message<Name>(), InvalidMessage);
}

class OutTest : public ::testing::Test {
 protected:
  OutTest() { out_.reset(2); }

  std::vector<OutputPort> ports_{
      {"plain", 0, false}, {"annotated", 100, false}, {"moved", 0, true}};
  Out out_{ports_};
  MessagePool pool_;
};

TEST_F(OutTest, AnUnknownOutputNamesTheDeclaredOnes) {
  try {
    out_.emit_bytes("plane", "x");
    FAIL();
  } catch (const UnknownOutput& e) {
    EXPECT_THAT(e.what(), HasSubstr("plane"));
    EXPECT_THAT(e.what(), HasSubstr("\"plain\""));
  }
}

Greeting greeting(const std::string& text) {
  Greeting made;
  made.set_text(text);
  return made;
}

TEST_F(OutTest, AnnotationAppendsOneFieldToTheUntouchedBytes) {
  const std::string wire = greeting("IN").SerializeAsString();
  out_.annotate("annotated", record_at(0, wire, pool_), greeting("hi"));
  EXPECT_EQ(out_.value(out_.emitted()[0]), wire + "\xa2\x06\x04\x0a\x02hi");
  EXPECT_EQ(out_.outcome(0).fate, Out::Fate::emitted);
}

TEST_F(OutTest, WhatIsAnnotatedAlreadyIsSetAsideNotMerged) {
  const std::string once = greeting("IN").SerializeAsString() + "\xa2\x06\x04\x0a\x02hi";
  out_.annotate("annotated", record_at(0, once, pool_), greeting("again"));
  EXPECT_THAT(out_.emitted(), ::testing::IsEmpty());
  EXPECT_EQ(out_.outcome(0).fate, Out::Fate::dead_lettered);
  EXPECT_EQ(out_.outcome(0).reason, "already_annotated");
  EXPECT_THAT(out_.outcome(0).message, HasSubstr("field 100, which output \"annotated\" adds"));
}

TEST_F(OutTest, TheAnnotatedFieldInsideAnotherIsAnother) {
  const std::string wire = std::string("\x12\x06") + "\xa2\x06\x03\x0a\x01x";
  out_.annotate("annotated", record_at(0, wire, pool_), greeting("hi"));
  EXPECT_EQ(out_.outcome(0).fate, Out::Fate::emitted);
}

TEST_F(OutTest, NothingIsAddedToWhatIsNoMessage) {
  for (const char* wire : {"INPUT", "\x0a\x05hi", "\x0c", "\x07"}) {
    out_.reset(1);
    out_.annotate("annotated", record_at(0, wire, pool_), greeting("hi"));
    EXPECT_THAT(out_.emitted(), ::testing::IsEmpty());
    EXPECT_EQ(out_.outcome(0).reason, "invalid_message") << wire;
  }
}

TEST_F(OutTest, ADeadLetterStaysOne) {
  out_.emit_bytes("plain", "x");
  out_.dead_letter("bad", "why");
  out_.drop("boring");
  out_.emit_bytes("plain", "x");
  EXPECT_EQ(out_.outcome(0).fate, Out::Fate::dead_lettered);
  EXPECT_EQ(out_.outcome(0).reason, "bad");
}

// The last call won, and what the other had said was lost without a word.
TEST_F(OutTest, ARecordIsDroppedOrHasOutputsNotBoth) {
  out_.emit_bytes("plain", "x");
  EXPECT_THROW(out_.drop("boring"), std::logic_error);
  out_.reset(1);
  out_.drop("boring");
  EXPECT_THROW(out_.emit_bytes("plain", "x"), std::logic_error);
  EXPECT_THAT(out_.emitted(), ::testing::IsEmpty());
}

TEST_F(OutTest, OnlyADeclaredOutputLeavesUnderAnotherKey) {
  EXPECT_THROW(out_.emit_rekeyed("plain", "k2", "v"), UnknownOutput);
  out_.emit_rekeyed("moved", "k2", "v");
  EXPECT_EQ(out_.key(out_.emitted()[0]), "k2");
  EXPECT_EQ(out_.value(out_.emitted()[0]), "v");
}

class ThrowsAtB final : public Stage {
 public:
  void process(const Record& record, Out& out) override {
    out.emit_bytes("plain", record.wire());
    if (record.wire() == "b") {
      throw std::runtime_error("b is bad");
    }
    if (record.wire() == "huge") {
      throw std::bad_alloc();
    }
    if (record.wire() == "c") {
      throw 42;
    }
  }
};

TEST_F(OutTest, AnExceptionSetsOnlyItsOwnRecordAside) {
  ThrowsAtB stage;
  const std::vector<Record> records{record_at(0, "a", pool_), record_at(1, "b", pool_),
                                    record_at(2, "c", pool_)};
  out_.reset(records.size());
  stage.process_batch(records, out_);
  EXPECT_EQ(out_.outcome(0).fate, Out::Fate::emitted);
  EXPECT_EQ(out_.outcome(1).fate, Out::Fate::dead_lettered);
  EXPECT_EQ(out_.outcome(1).reason, "stage_exception");
  EXPECT_EQ(out_.outcome(1).message, "b is bad");
  EXPECT_EQ(out_.outcome(2).fate, Out::Fate::dead_lettered);
  EXPECT_EQ(out_.outcome(2).message, "what was thrown is no std::exception");
}

TEST_F(OutTest, ALackOfMemorySetsNothingAside) {
  ThrowsAtB stage;
  const std::vector<Record> records{record_at(0, "huge", pool_), record_at(1, "a", pool_)};
  EXPECT_THROW(stage.process_batch(records, out_), std::bad_alloc);
}

class Shouter final : public Stage {
 public:
  struct Options {
    std::string suffix = "!";
    std::uint16_t times = 1;
  };

  explicit Shouter(const Options& options) : options_(options) {
    if (options.times == 13) {
      throw std::runtime_error("thirteen is unlucky");
    }
  }

  DedupKey dedup_key(const Record& record) const override { return DedupKey::of(record.wire()); }

  void process(const Record&, Out&) override {}

 private:
  Options options_;
};

StageSpec shouter() {
  return StageSpec::of<Shouter>("shouter", "Shouts.")
      .input<Name>("names", "Names.")
      .output<Greeting>("shouts", "Shouts.")
      .option("suffix", &Shouter::Options::suffix, "What follows.")
      .option("times", &Shouter::Options::times, "How often.", {1, 20});
}

TEST(StageSpec, AnOptionKnowsItsDefaultTypeAndRange) {
  const StageSpec spec = shouter();
  EXPECT_TRUE(spec.has_dedup_key());
  EXPECT_EQ(spec.options()[0].default_value, "!");
  EXPECT_EQ(spec.options()[1].type, "integer");
  EXPECT_EQ(spec.options()[1].range, "1 … 20");
}

TEST(StageSpec, AStageNeedsNoOptions) {
  const StageSpec spec = StageSpec::of<ThrowsAtB>("picky", "Throws.");
  EXPECT_TRUE(spec.make_stage(spec.make_options().get()).is_ok());
}

TEST(StageSpec, AnOptionOutOfRangeOrOfAnotherTypeIsRefused) {
  const StageSpec spec = shouter();
  const auto options = spec.make_options();
  EXPECT_TRUE(spec.options()[1].set(options.get(), "3").is_ok());
  EXPECT_EQ(static_cast<Shouter::Options*>(options.get())->times, 3);
  EXPECT_THAT(spec.options()[1].set(options.get(), "21").message(), HasSubstr("outside 1 … 20"));
  EXPECT_THAT(spec.options()[1].set(options.get(), "many").message(), HasSubstr("\"many\""));
}

TEST(StageSpec, AConstructorThatThrowsIsAConfigurationError) {
  const StageSpec spec = shouter();
  const auto options = spec.make_options();
  ASSERT_TRUE(spec.options()[1].set(options.get(), "13").is_ok());
  const auto stage = spec.make_stage(options.get());
  ASSERT_FALSE(stage.is_ok());
  EXPECT_EQ(stage.status().exit_code(), ExitCode::config);
  EXPECT_THAT(stage.status().message(), HasSubstr("thirteen"));
}

TEST(StageSpec, KnowsWhetherTheStageSaysWhatMakesRecordsTheSame) {
  EXPECT_FALSE((std::is_same_v<decltype(&Shouter::dedup_key), decltype(&Stage::dedup_key)>));
  EXPECT_TRUE((std::is_same_v<decltype(&ThrowsAtB::dedup_key), decltype(&Stage::dedup_key)>));
}

}  // namespace
}  // namespace weir
