#include "host/main.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hello/v1/hello.pb.h"

namespace weir {
namespace {

using hello::v1::Greeting;
using hello::v1::Name;
using ::testing::HasSubstr;
using ::testing::Not;

class Greeter final : public Stage {
 public:
  DedupKey dedup_key(const Record& record) const override {
    return DedupKey::of(record.message<Name>().id());
  }

  void process(const Record&, Out&) override {}
};

class Lint : public ::testing::Test {
 protected:
  Lint() { std::filesystem::create_directories(folder_); }

  ~Lint() override { std::filesystem::remove_all(folder_); }

  // The file of a deployment of `stage`, which it is named after.
  std::string file(const std::string& stage, const std::string& port = "names",
                   const std::string& output = "greetings", const std::string& key = "") const {
    std::string path = (folder_ / (stage + ".yaml")).string();
    std::ofstream(path) << "stage: " << stage << "\ninputs: {" << port
                        << ": {topic: raw, dedup: {window: 1h" << key << "}}}\noutputs: {" << output
                        << ": {dataset: " << stage << ".out}}\n";
    return path;
  }

  int lint(std::vector<std::string> words) {
    words.insert(words.begin(), "lint");
    return call(std::move(words));
  }

  int call(std::vector<std::string> words) {
    words.insert(words.begin(), "greeter");
    std::vector<char*> raw;
    for (std::string& word : words) {
      raw.push_back(word.data());
    }
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = stage_main(static_cast<int>(raw.size()), raw.data(),
                                StageSpec::of<Greeter>("greeter", "Greets.")
                                    .input<Name>("names", "Names.")
                                    .output<Greeting>("greetings", "Greetings."));
    out_ = ::testing::internal::GetCapturedStdout();
    err_ = ::testing::internal::GetCapturedStderr();
    return code;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("weir_lint_" + std::to_string(::getpid()));
  std::string out_;
  std::string err_;
};

TEST_F(Lint, SaysInALineWhatIsInOrderAndWhatItOnlyLookedAt) {
  const std::string own = file("greeter");
  EXPECT_EQ(lint({own}), 0);
  EXPECT_EQ(out_, "ok: " + own + "\n");
  const std::string other = file("shouter", "any", "port");
  EXPECT_EQ(lint({other, own}), 0) << err_;
  EXPECT_EQ(out_, "ok: " + own + "; of other stages, only whether they fit: " + other + "\n");
  EXPECT_EQ(err_, "");
}

TEST_F(Lint, SaysNothingIsInOrderWhereSomethingIsNot) {
  const std::string own = file("greeter", "nams");
  EXPECT_EQ(lint({own}), 78);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr("greeter has no input \"nams\"; did you mean \"names\"?"));
}

// It said "ok" and no more, and every record became a dead letter.
TEST_F(Lint, NotesAKeyThatTheMessageDoesNotHave) {
  EXPECT_EQ(lint({file("greeter", "names", "greetings", ", key: [naem]")}), 0) << err_;
  EXPECT_THAT(err_,
              HasSubstr("inputs.names.dedup.key: hello.v1.Name has no field \"naem\"; did you "
                        "mean \"name\"?"));
  EXPECT_EQ(lint({file("greeter", "names", "greetings", ", key: [name]")}), 0);
  EXPECT_EQ(err_, "");
}

TEST_F(Lint, FilesOfOtherStagesAloneAreNotChecked) {
  EXPECT_EQ(lint({file("shouter", "any", "port"), file("caller", "any", "port")}), 78);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr("no file is for greeter, which this program is"));
}

class Run : public Lint {};

TEST_F(Run, AnOffsetToTrustNamesItsPartitionAndItself) {
  for (const std::string wrong :
       {"", "raw", "raw=1", "raw/0", "raw/=1", "raw/0=", "raw/x=1", "raw/0=x", "raw/0=1x",
        "raw/-1=1", "raw/0=-1", "raw/99999999999=1"}) {
    EXPECT_EQ(call({"run", file("greeter"), "--trust-offset=" + wrong}),
              static_cast<int>(ExitCode::usage))
        << wrong;
    EXPECT_THAT(err_, HasSubstr("--trust-offset")) << wrong;
  }
  EXPECT_EQ(call({"run", file("greeter"), "--trust-offset=raw/0=5", "--trust-offset=raw/0=6"}),
            static_cast<int>(ExitCode::usage));
  EXPECT_THAT(err_, HasSubstr("--trust-offset raw/0=6: it was 5 before"));
  EXPECT_EQ(call({"run", (folder_ / "none.yaml").string(), "--trust-offset=raw/0=5",
                  "--trust-offset=raw/0=5"}),
            static_cast<int>(ExitCode::config));
  EXPECT_THAT(err_, Not(HasSubstr("--trust-offset"))) << "the same twice";
}

}  // namespace
}  // namespace weir
