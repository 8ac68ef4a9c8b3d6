#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include "comments/v1/comment.pb.h"

#include "model/score.h"
#include "weir/message_pool.h"
#include <weir/stage.h>

namespace stages::spam {

weir::StageSpec spec();

namespace {

using comments::v1::Comment;
using comments::v1::SpamVerdict;
using ::testing::HasSubstr;

constexpr std::uint32_t kSpamField = 100;
const std::string kModel = "stages/spam/model/spam.weights";

std::string wire_of(const std::string& id, const std::string& content) {
  Comment comment;
  comment.set_comment_id(id);
  comment.set_content(content);
  return comment.SerializeAsString();
}

// The labelled comments, each id once.
std::vector<Comment> real_comments() {
  std::vector<Comment> comments;
  std::set<std::string> ids;
  std::ifstream file("ops/demo-data/comments.jsonl");
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  for (std::string line; std::getline(file, line);) {
    Comment comment;
    EXPECT_TRUE(JsonStringToMessage(line, &comment, options).ok()) << line;
    if (ids.insert(comment.comment_id()).second) {
      comments.push_back(comment);
    }
  }
  return comments;
}

class SpamTest : public ::testing::Test {
 protected:
  static weir::Result<std::unique_ptr<weir::Stage>> stage_with(const std::string& model) {
    const weir::StageSpec spec = spam::spec();
    const auto options = spec.make_options();
    EXPECT_TRUE(spec.options().at(0).set(options.get(), model).is_ok());
    return spec.make_stage(options.get());
  }

  SpamTest() {
    auto made = stage_with(kModel);
    EXPECT_TRUE(made.is_ok()) << made.status().message();
    stage_ = std::move(made).value();
  }

  std::vector<weir::Record> records_of(const std::vector<std::string>& wires) {
    std::vector<weir::Record> records;
    pool_.reset();
    for (const std::string& wire : wires) {
      weir::Record::Parts parts;
      parts.wire = wire;
      parts.pool = &pool_;
      parts.descriptor = Comment::descriptor();
      parts.index = static_cast<std::uint32_t>(records.size());
      records.emplace_back(parts);
    }
    return records;
  }

  // What the stage makes of `wires` in one batch: one value for each, in their order.
  std::vector<std::string> classified(const std::vector<std::string>& wires) {
    weir::Out out(ports_);
    out.reset(wires.size());
    stage_->process_batch(records_of(wires), out);
    std::vector<std::string> values;
    for (const weir::Out::Emitted& emitted : out.emitted()) {
      EXPECT_EQ(emitted.record, values.size());
      values.emplace_back(out.value(emitted));
    }
    EXPECT_EQ(values.size(), wires.size());
    return values;
  }

  static Comment parsed(const std::string& value) {
    Comment comment;
    EXPECT_TRUE(comment.ParseFromString(value));
    return comment;
  }

  std::vector<weir::OutputPort> ports_{{"classified", kSpamField, false}};
  weir::MessagePool pool_;
  std::unique_ptr<weir::Stage> stage_;
};

TEST_F(SpamTest, TheInputsBytesPassUntouchedWithOneFieldAppended) {
  // Also fields in an odd order, and one that this version doesn't know.
  const std::string wire = wire_of("c2", "hello") + wire_of("c1", "") + "\xfa\x3e\x03new";
  const std::string value = classified({wire}).at(0);
  ASSERT_EQ(value.substr(0, wire.size()), wire);
  Comment appended = parsed(value.substr(wire.size()));
  EXPECT_TRUE(appended.has_spam());
  appended.clear_spam();
  EXPECT_EQ(appended.ByteSizeLong(), 0U);
  EXPECT_EQ(parsed(value).comment_id(), "c1");
}

TEST_F(SpamTest, AVerdictIsTheModelsOwnScore) {
  auto loaded = weir::Model::load(kModel);
  ASSERT_TRUE(loaded.is_ok());
  weir::Model model = std::move(loaded).value();
  std::vector<std::string> wires;
  std::string before;
  for (const Comment& comment : real_comments()) {
    // Two in one: texts on both sides of the threshold that the model hasn't been trained on.
    wires.push_back(wire_of(comment.comment_id(), before + comment.content()));
    before = comment.content() + " ";
  }
  std::size_t unsure = 0;
  for (const std::string& value : classified(wires)) {
    const Comment comment = parsed(value);
    const std::string_view text = comment.content();
    weir::Score score;
    model.score(std::span(&text, 1), std::span(&score, 1));
    EXPECT_EQ(comment.spam().spam_per_10000(), score.confidence) << text;
    EXPECT_EQ(comment.spam().class_(),
              score.spam ? SpamVerdict::CLASS_SPAM : SpamVerdict::CLASS_LEGITIMATE)
        << text;
    EXPECT_EQ(comment.spam().model_version(), "spam-1-" + model.digest().substr(0, 8));
    unsure += score.confidence > 4'000 && score.confidence < 6'000 ? 1 : 0;
  }
  EXPECT_GT(unsure, 10U);
}

// Dropping what was sent twice is not judging what was said twice.
TEST_F(SpamTest, ATextThatAPersonPostedAgainUnderANewIdStays) {
  const std::vector<Comment> comments = real_comments();
  std::vector<std::string> wires;
  for (const Comment& comment : comments) {
    wires.push_back(comment.SerializeAsString());
  }
  const std::vector<std::string> values = classified(wires);
  ASSERT_EQ(values.size(), 1146U);
  std::map<std::pair<std::string, std::string>, SpamVerdict> posted;
  std::size_t again = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Comment comment = parsed(values[i]);
    EXPECT_EQ(comment.comment_id(), comments[i].comment_id());
    const auto [first, is_new] =
        posted.try_emplace({comment.author(), comment.content()}, comment.spam());
    again += is_new ? 0 : 1;
    EXPECT_EQ(first->second.SerializeAsString(), comment.spam().SerializeAsString());
  }
  EXPECT_EQ(again, 15U);
}

TEST_F(SpamTest, AnEmptyAndAHugeTextHaveVerdicts) {
  const std::vector<std::string> values =
      classified({"", wire_of("c1", ""), wire_of("c2", std::string(1U << 20U, 'x'))});
  for (const std::string& value : values) {
    EXPECT_NE(parsed(value).spam().class_(), SpamVerdict::CLASS_UNSPECIFIED);
  }
  EXPECT_EQ(parsed(values[0]).spam().SerializeAsString(),
            parsed(values[1]).spam().SerializeAsString());
}

TEST_F(SpamTest, ABatchHasTheOutcomesOfItsRecordsOneByOne) {
  std::vector<std::string> wires;
  for (const Comment& comment : real_comments()) {
    wires.push_back(comment.SerializeAsString());
  }
  const std::vector<std::string> batch = classified(wires);
  weir::Out out(ports_);
  out.reset(wires.size());
  for (const weir::Record& record : records_of(wires)) {
    out.at(record);
    stage_->process(record, out);
  }
  ASSERT_EQ(out.emitted().size(), batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    EXPECT_EQ(out.emitted()[i].record, i);
    EXPECT_EQ(out.value(out.emitted()[i]), batch[i]);
  }
}

TEST_F(SpamTest, BytesThatAreNoCommentAreTheirRecordsFault) {
  weir::Out out(ports_);
  out.reset(1);
  EXPECT_THROW(stage_->process(records_of({"\xff\xff"})[0], out), weir::InvalidMessage);
  EXPECT_TRUE(out.emitted().empty());
}

TEST_F(SpamTest, WithoutItsModelItDoesNotStart) {
  const auto made = stage_with("no/such.weights");
  ASSERT_FALSE(made.is_ok());
  EXPECT_EQ(made.status().exit_code(), weir::ExitCode::config);
  EXPECT_THAT(made.status().message(), HasSubstr("option model"));
  EXPECT_THAT(made.status().message(), HasSubstr("no/such.weights"));
}

class OwnFile : public SpamTest {
 public:
  ~OwnFile() override { std::filesystem::remove(path_); }

 protected:
  void write(const std::string& content) const {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << content;
  }

  static std::string weights() {
    std::ifstream file(kModel, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string path_ = ::testing::TempDir() +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                            std::to_string(::getpid()) + ".weights";
};

TEST_F(OwnFile, ADamagedModelIsRefused) {
  std::string damaged = weights();
  damaged.at(damaged.size() / 2) ^= 1;
  write(damaged);
  const auto made = stage_with(path_);
  ASSERT_FALSE(made.is_ok());
  EXPECT_EQ(made.status().exit_code(), weir::ExitCode::config);
  EXPECT_THAT(made.status().message(), HasSubstr(path_));
}

TEST_F(OwnFile, AModelThatIsReplacedUnderAProcessIsNotMixedIntoIt) {
  write(weights());
  ASSERT_TRUE(stage_with(path_).is_ok());
  write("another");
  EXPECT_TRUE(stage_with(path_).is_ok());
}

}  // namespace
}  // namespace stages::spam
