-- Why each workflow and job of a pipeline runs or does not run, as JSON. Beside the pipelines, so that lists need not
-- read past it.

CREATE TABLE explanations (
    pipeline TEXT NOT NULL PRIMARY KEY REFERENCES pipelines (id),
    explanation TEXT NOT NULL
);
