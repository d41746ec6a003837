"""A report as its reader sees it: sections by their ids, with their text, facts and tables; nothing of nas_jax."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "img", "hr", "input"}
LOADING = ("src", "href", "srcset", "data", "action", "poster", "background", "style")


class Page(HTMLParser):
    """What a parser makes of a page.

    `sections` has the words of each section by its id; `tables` has rows of cells, without the header, as (id of the
    section, rows); `facts` the values by their names; `codes` the blocks of code; `loads` each attribute that could
    load something, with what it names; `styles` the style sheets; `tags` all tags.
    """

    def __init__(self, text):
        super().__init__()
        self.sections, self.titles, self.tables, self.facts, self.codes = {}, {}, [], {}, []
        self.loads, self.styles, self.tags, self.ids = [], [], [], []
        self._stack, self._section, self._name = [], None, None
        self.feed(text)
        self.close()
        assert self._stack == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.loads += [(name, value) for name, value in attrs.items() if name.split(":")[-1] in LOADING]
        self.ids += [attrs["id"]] if "id" in attrs else []
        assert not any(name.startswith("on") for name in attrs)
        if tag == "section":
            self._section = attrs["id"]
            self.sections[self._section] = ""
        if tag == "table":
            self.tables.append((self._section, []))
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append("")
        if tag == "code":
            self.codes.append("")
        if tag not in VOID:
            self._stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._stack.pop()

    def handle_endtag(self, tag):
        assert self._stack.pop() == tag
        if tag == "section":
            self._section = None

    def handle_data(self, data):
        if "style" in self._stack:
            self.styles.append(data)
            return
        if self._section is not None:
            self.sections[self._section] += data
        if {"td", "th"} & set(self._stack):
            self.tables[-1][1][-1][-1] += data
        if "code" in self._stack:
            self.codes[-1] += data
        if self._stack and self._stack[-1] == "dt":
            self._name = data
            self.facts[data] = []
        if self._stack and self._stack[-1] == "dd":
            self.facts[self._name].append(data)

    def text(self, id):
        """The words of a section, with single spaces."""
        return " ".join(self.sections[id].split())

    def rows(self, id, place=0):
        """The rows of a table of a section, without the header."""
        return [rows[1:] for section, rows in self.tables if section == id][place]
