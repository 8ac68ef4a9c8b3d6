#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hello/v1/hello.pb.h"

#include "kafka/broker_case.h"
#include "loop/partitioner.h"
#include "testing/cases.h"
#include "testing/pipeline_driver.h"
#include "text/words.h"
#include "tool/verbs.h"
#include "weir/out.h"
#include "weir/stage.h"

namespace weir {
namespace {

using namespace std::string_view_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

namespace fs = std::filesystem;

constexpr std::string_view kKey = "\xff\0"sv;
constexpr std::array kHeaders{Header{"bytes", "\xff\xfe"}, Header{"none", {}}, Header{"text", "~"}};

// Takes what arrives under kKey with kHeaders.
class Strict final : public Stage {
 public:
  DedupKey dedup_key(const Record& record) const override {
    return DedupKey::of(record.message<hello::v1::Name>().id());
  }

  void process(const Record& record, Out& out) override {
    const auto is_same = [](const Header& a, const Header& b) {
      return a.name == b.name && a.value == b.value;
    };
    if (record.key() != kKey ||
        !std::equal(kHeaders.begin(), kHeaders.end(), record.headers().begin(),
                    record.headers().end(), is_same)) {
      throw std::runtime_error("not as it was sent");
    }
    out.emit("names", record.message<hello::v1::Name>());
  }
};

class ToolTest : public BrokerCase {
 protected:
  struct Outcome {
    int code;
    std::string answer;
    std::string notice;
  };

  void SetUp() override {
    BrokerCase::SetUp();
    if (IsSkipped()) {
      return;
    }
    folder_ = fs::path(testing::TempDir()) / prefix;
    fs::create_directories(folder_);
  }

  void TearDown() override {
    ::unsetenv("WEIR__STATE");
    bootstrap_before_.empty() ? ::unsetenv("WEIR_BOOTSTRAP")
                              : ::setenv("WEIR_BOOTSTRAP", bootstrap_before_.c_str(), 1);
    fs::remove_all(folder_);
  }

  std::string path(const std::string& name) const { return folder_ / name; }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
    return path(name);
  }

  void append(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::app) << text;
  }

  static std::vector<std::string> values(int from, int to) {
    std::vector<std::string> all;
    for (int i = from; i < to; ++i) {
      all.push_back(fmt::format("{{\"id\": \"{}\"}}", i));
    }
    return all;
  }

  static std::set<std::string> distinct(const std::vector<std::string>& all) {
    return {all.begin(), all.end()};
  }

  static std::string lines(int from, int to) {
    return fmt::format("{}\n", fmt::join(values(from, to), "\n"));
  }

  std::vector<std::string> whole_command(std::vector<std::string> words) const {
    words.insert(words.begin(), "weir");
    words.insert(words.end(), {"--bootstrap", cluster.bootstrap});
    return words;
  }

  Outcome weir(std::vector<std::string> words) const {
    return weir_alone(whole_command(std::move(words)));
  }

  // Without --bootstrap.
  static Outcome weir_alone(std::vector<std::string> words) {
    std::vector<char*> raw;
    for (std::string& word : words) {
      raw.push_back(word.data());
    }
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = tool_main(static_cast<int>(raw.size()), raw.data());
    std::fflush(stdout);
    return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
  }

  // The program itself, which can be killed.
  pid_t start(std::vector<std::string> words) const {
    words = whole_command(std::move(words));
    std::vector<char*> raw;
    for (std::string& word : words) {
      raw.push_back(word.data());
    }
    raw.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execv(WEIR_TOOL, raw.data());
      ::_exit(127);
    }
    return child;
  }

  // As a shell says it.
  static int exit_code(pid_t child) {
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

  // Once it has written down a place as far as that.
  void kill_at_checkpoint(pid_t child, std::uint64_t offset_min = 1) const {
    const auto is_there = [&] {
      std::error_code failed;
      for (fs::directory_iterator i(path("state/produce"), failed), end; !failed && i != end;
           i.increment(failed)) {
        std::ifstream in(i->path());
        const std::vector<std::string> words{std::istream_iterator<std::string>(in), {}};
        if (i->path().extension() != ".new" && words.size() > 7 && words.back() == "end" &&
            std::stoull(words[6]) >= offset_min) {
          return true;
        }
      }
      return false;
    };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_there()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      ASSERT_EQ(::waitpid(child, nullptr, WNOHANG), 0) << "it ended by itself";
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ::kill(child, SIGKILL);
    ASSERT_EQ(exit_code(child), 128 + SIGKILL);
  }

  // Waits for the last of the first `count` values: all are there then, once or twice.
  void expect_all_until_last(const std::string& to, int count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::vector<std::string> all;
    while (!distinct(all).contains(values(count - 1, count).front()) &&
           std::chrono::steady_clock::now() < deadline) {
      all = values_of(read_all(to));
    }
    EXPECT_EQ(distinct(all), distinct(values(0, count)));
  }

  Outcome produce(const std::string& to, const std::string& file) const {
    return weir({"produce", "--topic", to, "--key", "id", "--state", path("state"), file});
  }

  // A deployment from raw.PREFIX to the dataset PREFIX.out.
  std::string deployment(const std::string& name = "x") const {
    return write(
        fmt::format("{}-{}.yaml", prefix, name),
        fmt::format("stage: {0}\nname: {1}\n"
                    "inputs: {{in: {{topic: {0}.raw, dedup: {{key: [id], window: 24h}}}}}}\n"
                    "outputs: {{out: {{dataset: {0}.out}}}}\n",
                    prefix, name));
  }

  // Of deployment(). Its raw topic is meant, however near to another test's prefix its own is.
  Outcome apply(std::vector<std::string> options = {}) const {
    options.insert(options.begin(), {"topics", "apply", deployment(), "--create", prefix + ".raw"});
    return weir(std::move(options));
  }

  std::string out_topic(int version = 1) const {
    return fmt::format("{}.out.v{}", prefix, version);
  }

 private:
  static std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  }

  fs::path folder_;
  const std::string bootstrap_before_ = variable("WEIR_BOOTSTRAP");
};

TEST_F(ToolTest, TopicsAreCreatedAsDeploymentsNeedThem) {
  const Outcome applied = apply({"--partitions", "3"});
  ASSERT_EQ(applied.code, 0) << applied.notice;
  const auto raw = facts_of(*until_done([&] { return admin->describe(prefix + ".raw"); }).value());
  EXPECT_TRUE(raw.has_broker_timestamps);
  EXPECT_EQ(raw.retention_ms, std::nullopt);
  const auto derived = *until_done([&] { return admin->describe(out_topic()); }).value();
  EXPECT_EQ(derived.partitions, 3);
  EXPECT_FALSE(facts_of(derived).has_broker_timestamps);
  EXPECT_EQ(facts_of(derived).ahead_ms_max, std::nullopt);
  const auto letters =
      *until_done([&] { return admin->describe(prefix + "-x.dead_letters.v1"); }).value();
  EXPECT_EQ(letters.partitions, 3);
  EXPECT_EQ(facts_of(letters).record_bytes_max, (10 << 20) + 65'536);
}

TEST_F(ToolTest, ApplyingAgainChangesNothing) {
  ASSERT_EQ(apply().code, 0);
  const Outcome again = apply();
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.answer, AllOf(HasSubstr("ok"), Not(HasSubstr("created"))));
}

TEST_F(ToolTest, ADryRunCreatesNothing) {
  const Outcome dry = apply({"--dry-run"});
  EXPECT_EQ(dry.code, 0);
  EXPECT_THAT(dry.answer, HasSubstr("would be created"));
  EXPECT_FALSE(until_done([&] { return admin->describe(prefix + ".raw"); }).value());
}

// It was created, empty, and the stage waited for records that went elsewhere.
TEST_F(ToolTest, ARawTopicThatIsNearlyOneThatExistsIsCreatedOnlyIfItIsMeant) {
  topic("rwa");
  const Outcome asked = weir({"topics", "apply", deployment()});
  EXPECT_EQ(asked.code, 78);
  EXPECT_THAT(asked.notice, HasSubstr(fmt::format(
                                "topic {0}.raw doesn't exist; did you mean \"{0}.rwa\"? Nothing "
                                "was created. If it is meant to be new, say: --create {0}.raw\n",
                                prefix)));
  EXPECT_FALSE(until_done([&] { return admin->describe(prefix + ".raw"); }).value());
  EXPECT_FALSE(until_done([&] { return admin->describe(out_topic()); }).value());
  const Outcome meant = apply();
  EXPECT_EQ(meant.code, 0) << meant.notice;
  EXPECT_THAT(meant.answer, HasSubstr(fmt::format("created           outside -> {}-x\n", prefix)));
  EXPECT_EQ(weir({"topics", "apply", deployment()}).code, 0) << "it exists by now";
}

TEST_F(ToolTest, ATopicThatDiffersIsLeftAloneAndSaid) {
  topic("out.v1", 2, {{"retention.ms", "1000"}});
  const Outcome applied = apply();
  EXPECT_EQ(applied.code, 1);
  EXPECT_THAT(applied.answer,
              AllOf(HasSubstr("retention.ms is 1000, would be -1"),
                    HasSubstr("partitions is 2, would be 4"), HasSubstr("kafka-configs.sh")));
  const auto found = *until_done([&] { return admin->describe(out_topic()); }).value();
  EXPECT_EQ(found.partitions, 2);
  EXPECT_EQ(facts_of(found).retention_ms, 1000);
}

TEST_F(ToolTest, EachLineIsARecordUnderItsKeyWhereJavaWouldPutIt) {
  const std::string to = topic("raw", 4);
  const std::string file =
      write("in", "{\"id\": \"a\"}\n{\"id\": \"b\"}\nnot json\n\n{\"id\": \"a\", \"n\": 2}\n");
  const Outcome sent = produce(to, file);
  ASSERT_EQ(sent.code, 0) << sent.notice;
  EXPECT_THAT(sent.answer, HasSubstr("4 lines sent"));
  EXPECT_THAT(sent.answer, HasSubstr("1 without key, 1 empty, 0 refused"));
  const std::vector<Seen> seen = read_all(to);
  EXPECT_THAT(values_of(seen), UnorderedElementsAre("{\"id\": \"a\"}", "{\"id\": \"b\"}",
                                                    "not json", "{\"id\": \"a\", \"n\": 2}"));
  for (const Seen& one : seen) {
    if (one.value != "not json") {
      EXPECT_EQ(one.where.partition, partition_of(one.key, 4)) << one.value;
    }
  }
}

TEST_F(ToolTest, AKeyThatNoLineHasIsFoundBeforeAnythingIsSent) {
  const std::string to = topic("raw");
  const auto notice = [&](const std::string& text) {
    const Outcome sent = weir({"produce", "--topic", to, "--key", "comment_id,coment", "--state",
                               path("state"), write("in", text)});
    EXPECT_EQ(sent.code, 65);
    EXPECT_THAT(sent.answer, IsEmpty());
    return sent.notice;
  };
  EXPECT_THAT(notice("{\"comment_id\": {\"a\": [1]}, \"comment\": \"\"}\n{}\n"),
              HasSubstr("none of the first 2 lines has a key in its field \"coment\"; did you mean "
                        "\"comment\"?"));
  EXPECT_THAT(notice("{\"comment_id\": null, \"coment\": null}\n"),
              HasSubstr("in its field \"comment_id\"\n"));
  EXPECT_THAT(notice("name,id\n"), HasSubstr("the first one is no JSON object"));
  EXPECT_THAT(read_all(to), IsEmpty());
}

TEST_F(ToolTest, ARunThatEndedIsNotGoneOnWith) {
  const std::string to = topic("raw");
  const std::string file = write("in", "{\"id\": \"a\"}\n");
  ASSERT_EQ(produce(to, file).code, 0);
  ASSERT_EQ(produce(to, file).code, 0);
  EXPECT_EQ(read_all(to).size(), 2U);
}

TEST_F(ToolTest, ALineThatTheTopicRefusesIsCounted) {
  const std::string to = topic("raw", 1, {{"max.message.bytes", "1000"}});
  const std::string file = write(
      "in", "{\"id\": \"a\"}\n{\"id\": \"b\", \"x\": \"" + [] {
        std::string noise;
        std::minstd_rand random;
        for (int i = 0; i < 5000; ++i) {
          noise += static_cast<char>('a' + random() % 26);
        }
        return noise;
      }() + "\"}\n");
  const Outcome sent = produce(to, file);
  EXPECT_EQ(sent.code, 65);
  EXPECT_THAT(sent.answer, HasSubstr("1 refused"));
}

TEST_F(ToolTest, AMissingTopicIsNamedWithTheCommandAndTheNearestThatIsThere) {
  topic("raw.comments");
  const Outcome sent = produce(prefix + ".raw.coments", write("in", "{}\n"));
  EXPECT_EQ(sent.code, 78);
  EXPECT_EQ(sent.notice,
            fmt::format("there is no topic {0}.raw.coments (if it is meant to be new, create it: "
                        "`{1} topics apply CONFIG`); did you mean \"{0}.raw.comments\"?\n",
                        prefix, tool_command()));
}

TEST_F(ToolTest, AMistypedTopicIsTakenForTheNearest) {
  const std::string raw = topic("raw");
  topic("out.v3");
  const std::string meant_raw = fmt::format("; did you mean \"{}\"?\n", raw);
  EXPECT_THAT(produce(prefix + ".rwa", write("in", "{}\n")).notice, HasSubstr(meant_raw));
  EXPECT_THAT(weir({"tap", prefix + ".rwa"}).notice, HasSubstr(meant_raw));
  EXPECT_THAT(weir({"tap", prefix + ".uot"}).notice,
              HasSubstr(fmt::format("; did you mean \"{}.out\"?\n", prefix)));
  EXPECT_THAT(weir({"tap", "zzzzzzzzzzzzzzzz"}).notice,
              AllOf(HasSubstr("; there is "), Not(HasSubstr("__"))));
}

TEST_F(ToolTest, AKilledRunIsGoneOnWithWhereTheStateIsAndLosesNothing) {
  constexpr int kFirst = 5'000;
  constexpr int kAll = 6'000;
  const std::string to = topic("raw", 2);
  const std::string file = write("in", lines(0, kFirst));
  ::setenv("WEIR__STATE", path("state").c_str(), 1);
  kill_at_checkpoint(start({"produce", "--topic", to, "--key", "id", "--follow", file}));
  append("in", lines(kFirst, kAll));

  const Outcome sent = produce(to, file);
  ASSERT_EQ(sent.code, 0) << sent.notice;
  EXPECT_THAT(sent.notice, HasSubstr("going on where an earlier run was cut off"));
  const std::vector<std::string> all = values_of(read_all(to));
  EXPECT_EQ(distinct(all), distinct(values(0, kAll)));
  EXPECT_LT(all.size(), std::size_t{kAll + kFirst}) << "it began anew";
}

// As a run leaves it that isn't told the topic's id.
TEST_F(ToolTest, AKilledRunIntoAnUnknownTopicIsGoneOnWith) {
  constexpr int kAll = 5'000;
  const std::string to = topic("raw", 2);
  const std::string file = write("in", lines(0, kAll));
  ::setenv("WEIR__STATE", path("state").c_str(), 1);
  kill_at_checkpoint(start({"produce", "--topic", to, "--key", "id", "--follow", file}));
  for (const auto& checkpoint : fs::directory_iterator(path("state/produce"))) {
    std::ifstream in(checkpoint.path());
    std::string format;
    std::string topic_id;
    std::string rest;
    in >> format >> topic_id;
    std::getline(in, rest);
    std::ofstream(checkpoint.path()) << format << " /" << rest << "\n";
  }
  const Outcome sent = produce(to, file);
  ASSERT_EQ(sent.code, 0) << sent.notice;
  EXPECT_THAT(sent.notice, HasSubstr("going on where an earlier run was cut off"));
}

TEST_F(ToolTest, AKilledRunOverACompressedFileIsGoneOnWithAndLosesNothing) {
  constexpr int kAll = 50'000;
  const std::string to = topic("raw", 2);
  write("in", lines(0, kAll));
  ASSERT_EQ(std::system(fmt::format("gzip {}", path("in")).c_str()), 0);
  const std::string file = path("in.gz");
  ::setenv("WEIR__STATE", path("state").c_str(), 1);
  // So slow that it isn't at the end when it writes down how far it is.
  kill_at_checkpoint(
      start({"produce", "--topic", to, "--key", "id", "--kafka", "batch.num.messages=1", file}));
  const std::size_t first = read_all(to).size();
  ASSERT_LT(first, std::size_t{kAll});

  const Outcome sent = produce(to, file);
  ASSERT_EQ(sent.code, 0) << sent.notice;
  const std::vector<std::string> all = values_of(read_all(to));
  EXPECT_EQ(distinct(all), distinct(values(0, kAll)));
  EXPECT_LT(all.size(), kAll + first) << "it began anew";
}

TEST_F(ToolTest, AFollowedFileIsSentOnceThroughRotationsOfBothKinds) {
  const std::string to = topic("raw", 2);
  const std::string file = write("in", lines(0, 100));
  const auto arrived = [&](int count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::vector<std::string> all;
    while (std::cmp_less(all.size(), count) && std::chrono::steady_clock::now() < deadline) {
      all = values_of(read_all(to));
    }
    EXPECT_THAT(all, UnorderedElementsAreArray(values(0, count)));
  };
  const pid_t child =
      start({"produce", "--topic", to, "--key", "id", "--state", path("state"), "--follow", file});
  arrived(100);
  // Renamed; its writer learns of it later than the new file is there.
  fs::rename(file, path("in.1"));
  append("in.1", lines(100, 200));
  write("in", lines(200, 300));
  arrived(300);
  // Copied and cut, as logrotate's copytruncate does.
  fs::copy_file(file, path("in.2"));
  fs::last_write_time(path("in.2"), fs::last_write_time(file) - std::chrono::seconds(1));
  fs::resize_file(file, 0);
  append("in", lines(300, 310));
  arrived(310);
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_code(child), 0);

  fs::rename(file, path("in.3"));
  append("in.3", lines(310, 320));
  write("in", lines(320, 330));
  fs::rename(file, path("in.4"));
  write("in", lines(330, 340));
  const pid_t next =
      start({"produce", "--topic", to, "--key", "id", "--state", path("state"), "--follow", file});
  arrived(340);
  ::kill(next, SIGTERM);
  EXPECT_EQ(exit_code(next), 0);
}

TEST_F(ToolTest, AFollowerThatWasKilledBeforeTheFirstLineLosesNothing) {
  const std::string to = topic("raw", 1);
  const std::string file = write("in", "");
  const std::vector<std::string> follow{"produce", "--topic",     to,         "--key", "id",
                                        "--state", path("state"), "--follow", file};
  kill_at_checkpoint(start(follow), 0);
  append("in", lines(0, 10));
  fs::rename(file, path("in.1"));
  write("in", lines(10, 20));
  const pid_t child = start(follow);
  expect_all_until_last(to, 20);
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_code(child), 0);
}

TEST_F(ToolTest, AKilledRunWhoseFileIsGoneSaysSoAndSendsWhatWasRotatedAfterIt) {
  const std::string to = topic("raw", 1);
  const std::string file = write("in", lines(0, 10));
  const std::vector<std::string> follow{"produce", "--topic",     to,         "--key", "id",
                                        "--state", path("state"), "--follow", file};
  kill_at_checkpoint(start(follow));
  fs::remove(file);
  write("in.1", lines(10, 20));
  write("in", lines(20, 30));
  const pid_t child = start(follow);
  expect_all_until_last(to, 30);
  ::kill(child, SIGTERM);
  EXPECT_EQ(exit_code(child), 0);
}

TEST_F(ToolTest, TapShowsWhatIsThereAndEnds) {
  const std::string name = topic("out.v2");
  topic("out.v1");
  fill(name, 3);
  const Outcome shown = weir({"tap", prefix + ".out", "--until-end", "--output", "json"});
  ASSERT_EQ(shown.code, 0) << shown.notice;
  EXPECT_EQ(std::count(shown.answer.begin(), shown.answer.end(), '\n'), 3);
  EXPECT_THAT(shown.answer, HasSubstr(fmt::format("{{\"topic\": \"{}\", \"partition\": 0, "
                                                  "\"offset\": 0",
                                                  name)));
  EXPECT_EQ(weir({"tap", name, "--until-end", "--from", "2", "--output", "json"})
                .answer.find("\"offset\": 1,"),
            std::string::npos);
  EXPECT_THAT(weir({"tap", name, "--from", "2023-11-14T22:13:20Z", "--limit", "1"}).answer,
              HasSubstr("0:0  "));
  EXPECT_THAT(weir({"tap", name, "--from", "2023-11-14T22:13:21Z", "--until-end"}).answer,
              IsEmpty());
  EXPECT_EQ(weir({"tap", name, "--from", "yesterday"}).code, 64);
  const std::string two = weir({"tap", name, "--limit", "2"}).answer;
  EXPECT_EQ(std::count(two.begin(), two.end(), '\n'), 2);
  const Outcome nothing = weir({"tap", name, "--until-end", "--from", "latest"});
  EXPECT_EQ(nothing.code, 0);
  EXPECT_THAT(nothing.answer, IsEmpty());
  EXPECT_THAT(nothing.notice, HasSubstr(name + ": 0 records\n"));
}

TEST_F(ToolTest, AFixtureOfTapIsATestCaseAsItIs) {
  const std::string name = topic("raw");
  OutRecord sent = record(kKey, R"({"id": "it's"})");
  sent.headers = kHeaders;
  const auto fixture_of = [&](const std::string& from, const OutRecord& record) {
    write_records(from, std::span(&record, 1));
    while (read_all(from).empty()) {  // a commit is answered before its records show
    }
    return weir({"tap", from, "--until-end", "--fixture"});
  };
  const Outcome shown = fixture_of(name, sent);
  ASSERT_EQ(shown.code, 0) << shown.notice;
  const auto failure = [&](const std::string& text) -> std::string {
    fs::create_directories(path("cases"));
    write("cases/case.yaml", text);
    try {
      run_cases(StageSpec::of<Strict>("strict", "Takes what it knows.")
                    .input<hello::v1::Name>("in", "Names.")
                    .output<hello::v1::Name>("names", "The same."),
                write("strict.yaml",
                      "stage: strict\n"
                      "inputs: {in: {topic: raw, dedup: {window: 1h}}}\n"
                      "outputs: {names: {dataset: one}}\n"),
                path("cases"));
    } catch (const TestFailure& found) {
      return found.what();
    }
    return "";
  };
  EXPECT_EQ(failure(shown.answer), "") << shown.answer;
  std::string changed = shown.answer;
  changed.replace(changed.find("//4="), 4, "AAA=");
  EXPECT_THAT(failure(changed), HasSubstr("expected no more, got stage_exception"));

  // A dead letter is expected to become one again, for the same reason.
  const std::string letters = topic("x.dead_letters.v1");
  OutRecord letter = record("other", R"({"id": "b"})");
  const std::array reason{Header{"weir-reason", "stage_exception"}};
  letter.headers = reason;
  const Outcome dead = fixture_of(letters, letter);
  EXPECT_EQ(failure(dead.answer), "") << dead.answer;
  std::string other = dead.answer;
  other.replace(other.find("stage_exception"), 15, "invalid_json");
  EXPECT_THAT(failure(other), HasSubstr("stage_exception"));
}

TEST_F(ToolTest, TapShowsNothingOfAnAbortedTransaction) {
  const std::string name = topic("raw");
  const OutRecord aborted = record("k", "aborted");
  write_records(name, std::span(&aborted, 1), Ending::abort);
  const OutRecord committed = record("k", "committed");
  write_records(name, std::span(&committed, 1));
  const Outcome shown = weir({"tap", name, "--limit", "1"});
  EXPECT_THAT(shown.answer, AllOf(HasSubstr("  committed"), Not(HasSubstr("aborted"))));
}

TEST_F(ToolTest, TapTakesTheMessageFromTheFileOfTheDatasetsWriter) {
  const std::string name = topic("out.v2");
  const std::string comment = "\x2a\x02hi";  // its content
  ASSERT_EQ(produce(name, write("in", comment + "\n{\"id\": 1}\n")).code, 0);
  const std::string writer =
      write("w.yaml", fmt::format("stage: w\nproto: [{}]\n"
                                  "inputs: {{in: {{topic: raw, dedup: off}}}}\n"
                                  "outputs: {{out: {{dataset: {}.out, message: "
                                  "comments.v1.Comment}}}}\n",
                                  fs::absolute("proto").string(), prefix));
  write("broken.yaml", "stage: [");
  for (const std::string& config : {path(""), writer}) {
    for (const std::string& what : {prefix + ".out", name}) {
      const Outcome shown = weir({"tap", what, "--limit", "1", "--config", config});
      EXPECT_THAT(shown.answer, HasSubstr("  {\"content\":\"hi\"}\n"));
      EXPECT_THAT(shown.notice, IsEmpty());
    }
  }
  const std::string of_another = "hello.v1.Greeting";
  EXPECT_THAT(
      weir({"tap", name, "--limit", "1", "--config", writer, "--message", of_another}).answer,
      Not(HasSubstr("content")));
}

TEST_F(ToolTest, TapSaysInALineHowToSayTheMessageThatItDoesNotKnow) {
  const std::string name = topic("out.v1");
  fill(name, 1);
  fs::create_directories(path("config"));
  write("config/broken.yaml", "stage: [");
  const auto notice = [&](const std::string& config) {
    const Outcome shown = weir({"tap", name, "--until-end", "--config", path(config)});
    EXPECT_EQ(shown.code, 0);
    EXPECT_THAT(shown.answer, Not(IsEmpty()));
    EXPECT_EQ(std::count(shown.notice.begin(), shown.notice.end(), '\n'), 1) << shown.notice;
    return shown.notice;
  };
  EXPECT_THAT(notice("config"),
              AllOf(HasSubstr(fmt::format("{}: no deployment in {} writes it; {}/broken.yaml:",
                                          name, path("config"), path("config"))),
                    HasSubstr("say with --message what they are; there is comments.v1.Comment, ")));
  EXPECT_THAT(notice(deployment()), HasSubstr("-x.yaml says no outputs.out.message"));
  EXPECT_EQ(weir({"tap", name, "--config", path("nowhere")}).code, 64);
}

TEST_F(ToolTest, TapHasNothingToSayAboutTopicsThatAreOfNoDataset) {
  for (const std::string& name : {topic("raw"), topic("x.dead_letters.v1")}) {
    fill(name, 1);
    EXPECT_THAT(weir({"tap", name, "--until-end"}).notice, IsEmpty());
  }
}

TEST_F(ToolTest, WhatCanBeNoTopicIsAskedOfNoBroker) {
  EXPECT_EQ(weir({"tap", "a b"}).code, 64);
  EXPECT_THAT(weir({"tap", "a b"}).notice, HasSubstr("\"a b\" can't be a topic"));
  EXPECT_EQ(produce("a b", write("in", "")).code, 64);
  EXPECT_THAT(weir({"tap", "x", "--limit", "-1"}).notice, HasSubstr("--limit"));
}

TEST_F(ToolTest, TapNamesWhatIsNotThere) {
  const Outcome shown = weir({"tap", prefix + ".nowhere", "--until-end"});
  EXPECT_EQ(shown.code, 78);
  EXPECT_THAT(shown.notice, HasSubstr(prefix + ".nowhere.v1 or a later version"));
}

TEST_F(ToolTest, WithoutABrokerTheExitCodeIs69AndWhatSetItsAddressIsSaid) {
  const auto said = [](std::vector<std::string> words, const char* wait_s = "0") {
    words.insert(words.end(), {"--wait", wait_s});
    const Outcome outcome = weir_alone(std::move(words));
    EXPECT_EQ(outcome.code, 69);
    return outcome.notice;
  };
  EXPECT_THAT(said({"weir", "tap", "x", "--bootstrap", "127.0.0.1:1"}, "6"),
              AllOf(HasSubstr("no answer from the brokers at 127.0.0.1:1 yet; waiting"),
                    HasSubstr("no answer from the brokers at 127.0.0.1:1 for 6 s"),
                    HasSubstr("; bootstrap.servers is set by: --bootstrap\n")));
  ::setenv("WEIR_BOOTSTRAP", "127.0.0.1:2", 1);
  EXPECT_THAT(said({"weir", "tap", "x"}),
              AllOf(HasSubstr("127.0.0.1:2 for 0 s"), HasSubstr("set by: WEIR_BOOTSTRAP\n")));
  const std::string file = deployment();
  append(fs::path(file).filename(), "kafka: {bootstrap.servers: \"${WEIR_BOOTSTRAP}\"}\n");
  EXPECT_THAT(said({"weir", "topics", "apply", file}),
              HasSubstr(fmt::format("set by: {}:5:28, ${{WEIR_BOOTSTRAP}}\n", file)));
}

TEST_F(ToolTest, AnAddressThatCanBeNoneIsRefusedWhereItIsUsedWithWhatSetIt) {
  ::setenv("WEIR_BOOTSTRAP", "http://127.0.0.1:2", 1);
  const Outcome used = weir_alone({"weir", "tap", "x"});
  EXPECT_EQ(used.code, 78);
  EXPECT_THAT(used.notice, HasSubstr("WEIR_BOOTSTRAP: \"http://127.0.0.1:2\" is no list of"));
  const std::string file = deployment();
  append(fs::path(file).filename(), "kafka: {bootstrap.servers: \"127.0.0.1:1\"}\n");
  const Outcome unused = weir_alone({"weir", "topics", "apply", file, "--wait", "0"});
  EXPECT_EQ(unused.code, 69) << unused.notice;
  const Outcome option =
      weir_alone({"weir", "topics", "apply", file, "--bootstrap", "http://127.0.0.1:3"});
  EXPECT_EQ(option.code, 78);
  EXPECT_THAT(option.notice, HasSubstr("--bootstrap: \"http://127.0.0.1:3\" is no list of"));
}

}  // namespace
}  // namespace weir
