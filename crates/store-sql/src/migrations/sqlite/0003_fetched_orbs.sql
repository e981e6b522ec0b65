-- Orbs that came from an address: what stood there when a pipeline took it. A text is kept once, however many take it.

CREATE TABLE fetched_texts (
    digest TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL
);

CREATE TABLE pipeline_fetched_orbs (
    pipeline TEXT NOT NULL REFERENCES pipelines (id),
    url TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES fetched_texts (digest),
    taken_at BIGINT NOT NULL,
    PRIMARY KEY (pipeline, url)
);
