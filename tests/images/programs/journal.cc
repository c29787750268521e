// Counts the words of standard input and prints the ten most frequent.
#include <algorithm>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

int main()
{
    std::map<std::string, unsigned> count;
    for (std::string word; std::cin >> word;)
        ++count[word];
    if (count.empty())
        throw std::runtime_error("no words");
    std::vector<std::pair<std::string, unsigned>> order(count.begin(), count.end());
    std::sort(order.begin(), order.end(), [](auto &a, auto &b) { return a.second > b.second; });
    for (std::size_t at = 0; at < order.size() && at < 10; ++at)
        std::cout << order[at].second << ' ' << order[at].first << '\n';
}
