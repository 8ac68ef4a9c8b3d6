// The template of a stage's tests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hello/v1/hello.pb.h"

#include "testing/stage_driver.h"

namespace stages::hello {

weir::StageSpec spec();

namespace {

using ::hello::v1::Greeting;
using ::hello::v1::Name;
using std::chrono_literals::operator""h;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr const char* kConfig = R"(
inputs:
  names: {topic: raw.names, dedup: {window: 1h}}
outputs:
  greetings: {dataset: greetings}
options:
  greeting: good morning
)";

Name make_name(const std::string& id, const std::string& name) {
  Name made;
  made.set_id(id);
  made.set_name(name);
  return made;
}

TEST(Hello, GreetsWithTheWordOfItsOptions) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("names", make_name("id-1", "Ada"));
  const auto greetings = driver.read_all<Greeting>("greetings");
  ASSERT_THAT(greetings, SizeIs(1));
  EXPECT_EQ(greetings[0].text(), "good morning, Ada");
}

TEST(Hello, GreetsANameOnceEvenAfterARestartOrACrash) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("names", make_name("id-1", "Ada"));
  driver.restart();
  driver.pipe("names", make_name("id-1", "Ada"));
  driver.pipe("names", make_name("id-2", "Grace"));
  driver.crash();
  driver.pipe("names", make_name("id-2", "Grace"));
  EXPECT_THAT(driver.read_all<Greeting>("greetings"), SizeIs(2));
  EXPECT_EQ(driver.counts().turns.duplicates, 2U);
}

TEST(Hello, GreetsAgainAfterTheWindow) {
  weir::StageDriver driver(spec(), kConfig);
  driver.pipe("names", make_name("id-1", "Ada"));
  driver.advance(2h);
  driver.pipe("names", make_name("id-1", "Ada"));
  EXPECT_THAT(driver.read_all<Greeting>("greetings"), SizeIs(2));
}

TEST(Hello, SetsAsideWhatIsNoNameOrHasNoId) {
  weir::StageDriver driver(spec(), weir::ConfigFile{"config/hello.yaml"});
  driver.pipe("names", "not JSON");
  driver.pipe("names", R"({"name": "Ada"})");
  driver.pipe("names", R"({"id": "", "name": "Grace"})");
  driver.pipe("names", R"({"id": "id-1", "name": "Ada"})");
  EXPECT_THAT(driver.dead_letters(), SizeIs(3));
  EXPECT_THAT(driver.read_json("greetings"), ElementsAre(R"({"text":"hello, Ada"})"));
}

}  // namespace
}  // namespace stages::hello
