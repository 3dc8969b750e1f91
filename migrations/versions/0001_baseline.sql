-- The whole schema at the first release. Later migrations are added beside this file and never change it.

-- Vouchers

CREATE TABLE vouchers (
    project text NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    name text NOT NULL,
    code text,
    percentage_basis_points integer,
    amounts_minor jsonb,
    currency text,
    recurrence text NOT NULL,
    duration_in_months integer,
    duration_in_cycles integer,
    carry_over boolean DEFAULT false NOT NULL,
    starts_at timestamptz,
    expires_at timestamptz,
    maximum_redemptions bigint,
    maximum_redemptions_per_customer bigint,
    products text[],
    minimum_subtotal_minor bigint,
    minimum_subtotal_currency text,
    stamps_required integer,
    stamp_expire_days integer,
    redemptions bigint DEFAULT 0 NOT NULL,
    imported_redemptions bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    places_returned bigint DEFAULT 0 NOT NULL,
    is_full boolean NOT NULL
        GENERATED ALWAYS AS (coalesce(redemptions - places_returned >= maximum_redemptions, false)) STORED,
    retired_reason text,
    retired_at timestamptz,
    metadata json NOT NULL,
    request_id text,
    delivery_id text,
    fingerprint bytea,
    creation_answer json,
    updated_at timestamptz,
    maximum_discount_minor jsonb,
    maximum_discount_currency text,
    budget_minor jsonb,
    budget_currency text,
    CONSTRAINT pk_vouchers PRIMARY KEY (project, id),
    CONSTRAINT ck_vouchers_one_price_discount CHECK (num_nonnulls(percentage_basis_points, amounts_minor) = 1),
    CONSTRAINT ck_vouchers_percentage_in_range CHECK (percentage_basis_points BETWEEN 1 AND 10000),
    CONSTRAINT ck_vouchers_currency_has_an_amount CHECK (amounts_minor ? currency),
    CONSTRAINT ck_vouchers_currency_with_amounts CHECK ((amounts_minor IS NULL) = (currency IS NULL)),
    CONSTRAINT ck_vouchers_recurrence_known CHECK (recurrence IN ('once', 'repeating', 'forever')),
    CONSTRAINT ck_vouchers_duration_if_repeating
        CHECK (num_nonnulls(duration_in_months, duration_in_cycles)
               = CASE recurrence WHEN 'repeating' THEN 1 ELSE 0 END),
    CONSTRAINT ck_vouchers_duration_in_range CHECK (duration_in_months BETWEEN 1 AND 999),
    CONSTRAINT ck_vouchers_cycles_in_range CHECK (duration_in_cycles BETWEEN 1 AND 999),
    CONSTRAINT ck_vouchers_balance_if_carry_over
        CHECK (NOT carry_over OR (amounts_minor IS NOT NULL AND recurrence <> 'once')),
    CONSTRAINT ck_vouchers_stamps_in_range CHECK (stamps_required BETWEEN 2 AND 1000),
    CONSTRAINT ck_vouchers_stamp_days_in_range CHECK (stamp_expire_days BETWEEN 1 AND 3650),
    CONSTRAINT ck_vouchers_stamp_days_with_stamps CHECK (stamp_expire_days IS NULL OR stamps_required IS NOT NULL),
    CONSTRAINT ck_vouchers_window_not_empty CHECK (starts_at < expires_at),
    CONSTRAINT ck_vouchers_maximum_positive CHECK (maximum_redemptions >= 1),
    CONSTRAINT ck_vouchers_customer_maximum_positive CHECK (maximum_redemptions_per_customer >= 1),
    CONSTRAINT ck_vouchers_products_not_empty CHECK (cardinality(products) >= 1),
    CONSTRAINT ck_vouchers_minimum_subtotal_positive CHECK (minimum_subtotal_minor >= 1),
    CONSTRAINT ck_vouchers_minimum_subtotal_whole
        CHECK ((minimum_subtotal_minor IS NULL) = (minimum_subtotal_currency IS NULL)),
    CONSTRAINT ck_vouchers_redemptions_within_maximum CHECK (redemptions - places_returned <= maximum_redemptions),
    CONSTRAINT ck_vouchers_places_within_redemptions CHECK (places_returned BETWEEN 0 AND redemptions),
    CONSTRAINT ck_vouchers_redemptions_not_negative CHECK (redemptions >= 0),
    CONSTRAINT ck_vouchers_imported_within_redemptions CHECK (imported_redemptions BETWEEN 0 AND redemptions),
    CONSTRAINT ck_vouchers_held_not_negative CHECK (held >= 0),
    CONSTRAINT ck_vouchers_retired_reason_known
        CHECK (retired_reason IN ('manualAction', 'expired', 'maxRedemptionsReached', 'unknown')),
    CONSTRAINT ck_vouchers_retired_whole CHECK ((retired_reason IS NULL) = (retired_at IS NULL)),
    CONSTRAINT ck_vouchers_answer_whole CHECK (num_nulls(fingerprint, creation_answer) IN (0, 2)),
    CONSTRAINT ck_vouchers_answer_keyed
        CHECK ((num_nonnulls(request_id, delivery_id) = 1) = (fingerprint IS NOT NULL)),
    CONSTRAINT ck_vouchers_maximum_discount_whole
        CHECK ((maximum_discount_minor IS NULL) = (maximum_discount_currency IS NULL)),
    CONSTRAINT ck_vouchers_maximum_discount_currency_has_an_amount
        CHECK (maximum_discount_minor ? maximum_discount_currency),
    CONSTRAINT ck_vouchers_budget_whole CHECK ((budget_minor IS NULL) = (budget_currency IS NULL)),
    CONSTRAINT ck_vouchers_budget_currency_has_an_amount CHECK (budget_minor ? budget_currency)
) WITH (fillfactor = 85);

CREATE INDEX ix_vouchers_due ON vouchers (expires_at, id) WHERE retired_reason IS NULL;
CREATE INDEX ix_vouchers_full ON vouchers (id) WHERE retired_reason IS NULL AND is_full;
CREATE INDEX ix_vouchers_listed_available ON vouchers (project COLLATE "C", id) WHERE retired_reason IS NULL;
CREATE INDEX ix_vouchers_listed_retired ON vouchers (project COLLATE "C", id) WHERE retired_reason IS NOT NULL;
CREATE UNIQUE INDEX uq_vouchers_delivery ON vouchers (project, delivery_id) WHERE delivery_id IS NOT NULL;
CREATE UNIQUE INDEX uq_vouchers_request ON vouchers (project, request_id) WHERE request_id IS NOT NULL;
ALTER TABLE vouchers ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE budgets (
    project text NOT NULL,
    voucher_id uuid NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    spent_minor bigint DEFAULT 0 NOT NULL,
    CONSTRAINT pk_budgets PRIMARY KEY (project, voucher_id, currency),
    CONSTRAINT fk_budgets_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
        REFERENCES vouchers (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_budgets_amount_positive CHECK (amount_minor >= 1),
    CONSTRAINT ck_budgets_spent_within_amount CHECK (spent_minor BETWEEN 0 AND amount_minor)
) WITH (fillfactor = 50);
ALTER TABLE budgets ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE codes (
    project text NOT NULL,
    id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    code text NOT NULL,
    created_at timestamptz NOT NULL,
    is_primary boolean NOT NULL,
    maximum_redemptions bigint,
    expires_at timestamptz,
    customer text,
    redemptions bigint DEFAULT 0 NOT NULL,
    places_returned bigint DEFAULT 0 NOT NULL,
    is_full boolean NOT NULL
        GENERATED ALWAYS AS (coalesce(redemptions - places_returned >= maximum_redemptions, false)) STORED,
    retired_reason text,
    retired_at timestamptz,
    generation_id uuid,
    CONSTRAINT pk_codes PRIMARY KEY (project, id),
    CONSTRAINT fk_codes_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
        REFERENCES vouchers (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_codes_maximum_positive CHECK (maximum_redemptions >= 1),
    CONSTRAINT ck_codes_redemptions_within_maximum CHECK (redemptions - places_returned <= maximum_redemptions),
    CONSTRAINT ck_codes_places_within_redemptions CHECK (places_returned BETWEEN 0 AND redemptions),
    CONSTRAINT ck_codes_redemptions_not_negative CHECK (redemptions >= 0),
    CONSTRAINT ck_codes_retired_reason_known
        CHECK (retired_reason IN (
            'manualAction', 'expired', 'maxRedemptionsReached', 'voucherExpired', 'voucherMaxRedemptionsReached',
            'voucherManuallyRetired'
        )),
    CONSTRAINT ck_codes_retired_whole CHECK ((retired_reason IS NULL) = (retired_at IS NULL))
) WITH (fillfactor = 85);

CREATE INDEX ix_codes_due ON codes (expires_at, id) WHERE retired_reason IS NULL AND expires_at IS NOT NULL;
CREATE INDEX ix_codes_full ON codes (id) WHERE retired_reason IS NULL AND is_full;
CREATE INDEX ix_codes_retired ON codes (project COLLATE "POSIX", lower(code), created_at DESC, id DESC)
    WHERE retired_reason IS NOT NULL;
CREATE INDEX ix_codes_voucher_available ON codes (project, voucher_id, id) WHERE retired_at IS NULL;
CREATE INDEX ix_codes_voucher_retired ON codes (project, voucher_id, id) WHERE retired_at IS NOT NULL;
CREATE UNIQUE INDEX uq_codes_available ON codes (project COLLATE "POSIX", lower(code)) WHERE retired_reason IS NULL;
CREATE UNIQUE INDEX uq_codes_primary ON codes (project, voucher_id) WHERE is_primary AND retired_reason IS NULL;
ALTER TABLE codes ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE code_generations (
    project text NOT NULL,
    id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    key text,
    fingerprint bytea NOT NULL,
    parameters json NOT NULL,
    count bigint NOT NULL,
    generated bigint DEFAULT 0 NOT NULL,
    created_at timestamptz NOT NULL,
    completed_at timestamptz,
    CONSTRAINT pk_code_generations PRIMARY KEY (project, id),
    CONSTRAINT fk_code_generations_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
        REFERENCES vouchers (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_code_generations_count_in_range CHECK (count BETWEEN 1 AND 1000000),
    CONSTRAINT ck_code_generations_generated_in_range CHECK (generated BETWEEN 0 AND count),
    CONSTRAINT ck_code_generations_completed_when_all_are_there
        CHECK ((generated = count) = (completed_at IS NOT NULL))
);

CREATE UNIQUE INDEX uq_code_generations_key ON code_generations (project, key) WHERE key IS NOT NULL;
ALTER TABLE code_generations ALTER COLUMN project SET STATISTICS 0;

-- Redemptions and holds

CREATE TABLE redemptions (
    project text NOT NULL,
    request_id text NOT NULL,
    id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    voucher_id uuid,
    code text,
    customer text NOT NULL,
    subscription text NOT NULL,
    reason text,
    redemption_number bigint,
    effective_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    code_id uuid,
    CONSTRAINT pk_redemptions PRIMARY KEY (project, request_id),
    CONSTRAINT ck_redemptions_reason_known
        CHECK (reason IN (
            'idempotency_conflict', 'voucher_not_found', 'voucher_retired', 'code_retired', 'voucher_not_started',
            'voucher_expired', 'code_expired', 'max_redemptions_reached', 'code_max_redemptions_reached',
            'code_not_for_customer', 'customer_limit_reached', 'already_applied', 'stamp_card_incomplete',
            'product_not_eligible', 'currency_mismatch', 'minimum_subtotal_not_met', 'discount_limit_reached',
            'fully_reserved'
        )),
    CONSTRAINT ck_redemptions_reason_stored CHECK (reason NOT IN ('idempotency_conflict', 'fully_reserved')),
    CONSTRAINT ck_redemptions_accepted_has_number CHECK ((reason IS NULL) = (redemption_number IS NOT NULL)),
    CONSTRAINT ck_redemptions_accepted_has_voucher CHECK (reason IS NOT NULL OR voucher_id IS NOT NULL),
    CONSTRAINT ck_redemptions_number_positive CHECK (redemption_number >= 1),
    CONSTRAINT ck_redemptions_effective_not_later CHECK (effective_at <= decided_at)
);

CREATE INDEX ix_redemptions_customer ON redemptions (voucher_id, project COLLATE "C", customer) WHERE reason IS NULL;
CREATE UNIQUE INDEX uq_redemptions_number ON redemptions (project, voucher_id, redemption_number)
    WHERE redemption_number IS NOT NULL;
ALTER TABLE redemptions ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE holds (
    project text NOT NULL,
    request_id text NOT NULL,
    id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    voucher_id uuid,
    code_id uuid,
    code text,
    customer text NOT NULL,
    subscription text NOT NULL,
    request json NOT NULL,
    reason text,
    effective_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    status text NOT NULL,
    closed_at timestamptz,
    redemption_id uuid,
    CONSTRAINT pk_holds PRIMARY KEY (project, request_id),
    CONSTRAINT fk_holds_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
        REFERENCES vouchers (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_holds_status_known
        CHECK (status IN ('open', 'confirmed', 'released', 'replaced', 'lapsed', 'refused')),
    CONSTRAINT ck_holds_reason_known
        CHECK (reason IN (
            'idempotency_conflict', 'voucher_not_found', 'voucher_retired', 'code_retired', 'voucher_not_started',
            'voucher_expired', 'code_expired', 'max_redemptions_reached', 'code_max_redemptions_reached',
            'code_not_for_customer', 'customer_limit_reached', 'already_applied', 'stamp_card_incomplete',
            'product_not_eligible', 'currency_mismatch', 'minimum_subtotal_not_met', 'discount_limit_reached',
            'fully_reserved'
        )),
    CONSTRAINT ck_holds_reason_stored CHECK (reason NOT IN ('idempotency_conflict', 'fully_reserved')),
    CONSTRAINT ck_holds_refused_has_reason CHECK ((status = 'refused') = (reason IS NOT NULL)),
    CONSTRAINT ck_holds_held_has_end CHECK ((status = 'refused') = (expires_at IS NULL)),
    CONSTRAINT ck_holds_closed_whole CHECK ((status IN ('open', 'refused')) = (closed_at IS NULL)),
    CONSTRAINT ck_holds_confirmed_has_redemption CHECK ((status = 'confirmed') = (redemption_id IS NOT NULL)),
    CONSTRAINT ck_holds_held_has_voucher CHECK (status = 'refused' OR voucher_id IS NOT NULL),
    CONSTRAINT ck_holds_effective_not_later CHECK (effective_at <= created_at),
    CONSTRAINT ck_holds_end_after_beginning CHECK (expires_at > created_at)
);

CREATE INDEX ix_holds_code ON holds (project, code_id, expires_at) WHERE closed_at IS NULL AND code_id IS NOT NULL;
CREATE INDEX ix_holds_customer ON holds (project, voucher_id, customer) WHERE closed_at IS NULL AND reason IS NULL;
CREATE INDEX ix_holds_due ON holds (expires_at, id) WHERE status = 'open';
CREATE INDEX ix_holds_id ON holds (id, project);
CREATE INDEX ix_holds_lapsing ON holds (project, voucher_id, expires_at)
    WHERE closed_at IS NULL AND expires_at IS NOT NULL;
CREATE UNIQUE INDEX uq_holds_open ON holds (project, voucher_id, subscription) WHERE status = 'open';
CREATE UNIQUE INDEX uq_holds_redemption ON holds (project, redemption_id) WHERE redemption_id IS NOT NULL;
ALTER TABLE holds ALTER COLUMN project SET STATISTICS 0;

-- Discounts

CREATE TABLE subscriptions (
    project text NOT NULL,
    subscription text NOT NULL,
    CONSTRAINT pk_subscriptions PRIMARY KEY (project, subscription)
);
ALTER TABLE subscriptions ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE discounts (
    project text NOT NULL,
    id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    customer text NOT NULL,
    subscription text NOT NULL,
    created_at timestamptz NOT NULL,
    percentage_basis_points integer,
    amounts_minor jsonb,
    recurrence text NOT NULL,
    duration_in_months integer,
    duration_in_cycles integer,
    carry_over boolean DEFAULT false NOT NULL,
    products text[],
    starts_on date NOT NULL,
    starts_on_in_utc date NOT NULL,
    status text DEFAULT 'running' NOT NULL,
    first_period_start date,
    last_period_start date,
    cycles integer DEFAULT 0 NOT NULL,
    ends_on date,
    last_period_end date,
    entries_given_back integer DEFAULT 0 NOT NULL,
    ended_at timestamptz,
    maximum_discount_minor jsonb,
    has_budget boolean DEFAULT false NOT NULL,
    CONSTRAINT pk_discounts PRIMARY KEY (project, id),
    CONSTRAINT ck_discounts_one_price_discount CHECK (num_nonnulls(percentage_basis_points, amounts_minor) = 1),
    CONSTRAINT ck_discounts_recurrence_known CHECK (recurrence IN ('once', 'repeating', 'forever')),
    CONSTRAINT ck_discounts_duration_if_repeating
        CHECK (num_nonnulls(duration_in_months, duration_in_cycles)
               = CASE recurrence WHEN 'repeating' THEN 1 ELSE 0 END),
    CONSTRAINT ck_discounts_balance_if_carry_over
        CHECK (NOT carry_over OR (amounts_minor IS NOT NULL AND recurrence <> 'once')),
    CONSTRAINT ck_discounts_status_known CHECK (status IN ('running', 'completed', 'ended')),
    CONSTRAINT ck_discounts_periods_whole CHECK (num_nulls(first_period_start, last_period_start) IN (0, 2)),
    CONSTRAINT ck_discounts_periods_in_order CHECK (first_period_start <= last_period_start),
    CONSTRAINT ck_discounts_last_period_whole CHECK ((last_period_end IS NULL) = (last_period_start IS NULL)),
    CONSTRAINT ck_discounts_last_period_not_empty CHECK (last_period_start < last_period_end),
    CONSTRAINT ck_discounts_cycles_within_duration CHECK (cycles <= duration_in_cycles),
    CONSTRAINT ck_discounts_cycles_with_periods CHECK ((cycles > 0) = (first_period_start IS NOT NULL)),
    CONSTRAINT ck_discounts_cycles_in_range CHECK (cycles >= 0 AND (recurrence <> 'once' OR cycles <= 1)),
    CONSTRAINT ck_discounts_given_back_not_negative CHECK (entries_given_back >= 0),
    CONSTRAINT ck_discounts_ended_whole CHECK ((status = 'ended') = (ended_at IS NOT NULL))
) WITH (fillfactor = 85);

CREATE INDEX ix_discounts_customer ON discounts (customer, project COLLATE "C", status, id);
CREATE INDEX ix_discounts_over ON discounts (ends_on) WHERE status = 'running' AND ends_on IS NOT NULL;
CREATE INDEX ix_discounts_voucher ON discounts (voucher_id, project COLLATE "C", status, id);
CREATE UNIQUE INDEX uq_discounts_running
    ON discounts (subscription, project COLLATE "POSIX", (CASE
    WHEN status <> 'running' THEN id END), voucher_id) NULLS NOT DISTINCT;
ALTER TABLE discounts ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE returned_places (
    project text NOT NULL,
    discount_id uuid NOT NULL,
    voucher_id uuid NOT NULL,
    code_id uuid,
    customer text NOT NULL,
    kind text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_returned_places PRIMARY KEY (project, discount_id),
    CONSTRAINT fk_returned_places_project_discount_id_discounts FOREIGN KEY (project, discount_id)
        REFERENCES discounts (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_returned_places_kind_known CHECK (kind IN ('customer', 'whole'))
);

CREATE INDEX ix_returned_places_customer ON returned_places (project, voucher_id, customer);
ALTER TABLE returned_places ALTER COLUMN project SET STATISTICS 0;

-- The ledger of invoices

CREATE TABLE invoice_discounts (
    project text NOT NULL,
    invoice text NOT NULL,
    fingerprint bytea NOT NULL,
    subscription text NOT NULL,
    customer text NOT NULL,
    answer json NOT NULL,
    applied_at timestamptz NOT NULL,
    CONSTRAINT pk_invoice_discounts PRIMARY KEY (project, invoice)
);
ALTER TABLE invoice_discounts ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE usage_entries (
    project text NOT NULL,
    discount_id uuid NOT NULL,
    invoice text NOT NULL,
    id uuid NOT NULL,
    period_start date NOT NULL,
    period_end date NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_usage_entries PRIMARY KEY (project, discount_id, invoice),
    CONSTRAINT ck_usage_entries_amount_positive CHECK (amount_minor > 0),
    CONSTRAINT ck_usage_entries_period_not_empty CHECK (period_start < period_end)
);
ALTER TABLE usage_entries ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE invoice_reversals (
    project text NOT NULL,
    id uuid NOT NULL,
    invoice text NOT NULL,
    reason text NOT NULL,
    is_charged_back boolean DEFAULT false NOT NULL,
    lines json NOT NULL,
    answer json NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_invoice_reversals PRIMARY KEY (project, id),
    CONSTRAINT fk_invoice_reversals_project_invoice_invoice_discounts FOREIGN KEY (project, invoice)
        REFERENCES invoice_discounts (project, invoice) ON DELETE RESTRICT,
    CONSTRAINT ck_invoice_reversals_reason_known CHECK (reason IN ('voided', 'payment_failed', 'refunded')),
    CONSTRAINT ck_invoice_reversals_charged_back_if_failed CHECK (NOT is_charged_back OR reason = 'payment_failed')
);

CREATE INDEX ix_invoice_reversals_invoice ON invoice_reversals (project, invoice);
CREATE UNIQUE INDEX uq_invoice_reversals_given_back ON invoice_reversals (project, invoice) WHERE reason <> 'refunded';
ALTER TABLE invoice_reversals ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE usage_reversals (
    project text NOT NULL,
    id uuid NOT NULL,
    discount_id uuid NOT NULL,
    invoice text NOT NULL,
    reversal_id uuid NOT NULL,
    reason text NOT NULL,
    is_charged_back boolean DEFAULT false NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    is_in_full boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_usage_reversals PRIMARY KEY (project, id),
    CONSTRAINT fk_usage_reversals_project_discount_id_invoice_usage_entries FOREIGN KEY (project, discount_id, invoice)
        REFERENCES usage_entries (project, discount_id, invoice) ON DELETE RESTRICT,
    CONSTRAINT fk_usage_reversals_project_reversal_id_invoice_reversals FOREIGN KEY (project, reversal_id)
        REFERENCES invoice_reversals (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_usage_reversals_reason_known CHECK (reason IN ('voided', 'payment_failed', 'refunded')),
    CONSTRAINT ck_usage_reversals_charged_back_if_failed CHECK (NOT is_charged_back OR reason = 'payment_failed'),
    CONSTRAINT ck_usage_reversals_amount_not_positive CHECK (amount_minor <= 0)
);

CREATE INDEX ix_usage_reversals_entry ON usage_reversals (project, discount_id, invoice);
CREATE UNIQUE INDEX uq_usage_reversals_given_back ON usage_reversals (project, discount_id, invoice)
    WHERE reason <> 'refunded';
ALTER TABLE usage_reversals ALTER COLUMN project SET STATISTICS 0;

-- Recorded usage

CREATE TABLE usage_records (
    project text NOT NULL,
    voucher_id uuid NOT NULL,
    customer text NOT NULL,
    ref text NOT NULL,
    id uuid NOT NULL,
    ref_type text NOT NULL,
    reason text,
    usage bigint NOT NULL,
    stamp integer NOT NULL,
    amount_minor bigint NOT NULL,
    currency text,
    discount_id uuid,
    created_at timestamptz NOT NULL,
    created_by text,
    fingerprint bytea NOT NULL,
    answer json NOT NULL,
    CONSTRAINT pk_usage_records PRIMARY KEY (project, voucher_id, customer, ref),
    CONSTRAINT fk_usage_records_project_voucher_id_vouchers FOREIGN KEY (project, voucher_id)
        REFERENCES vouchers (project, id) ON DELETE RESTRICT,
    CONSTRAINT fk_usage_records_project_discount_id_discounts FOREIGN KEY (project, discount_id)
        REFERENCES discounts (project, id) ON DELETE RESTRICT,
    CONSTRAINT ck_usage_records_counts_not_negative CHECK (least(usage, stamp, amount_minor) >= 0),
    CONSTRAINT ck_usage_records_refused_counts_nothing
        CHECK ((reason IS NULL) = (greatest(usage, stamp, amount_minor) > 0)),
    CONSTRAINT ck_usage_records_granted_for_a_stamp CHECK (discount_id IS NULL OR stamp > 0)
);

CREATE INDEX ix_usage_records_customer ON usage_records (project, voucher_id, customer, created_at)
    WHERE reason IS NULL;
CREATE UNIQUE INDEX uq_usage_records_discount ON usage_records (project, discount_id) WHERE discount_id IS NOT NULL;
CREATE UNIQUE INDEX uq_usage_records_id ON usage_records (project, id);
ALTER TABLE usage_records ALTER COLUMN project SET STATISTICS 0;

-- Messages, and answers that have no row of their own

CREATE TABLE write_answers (
    project text NOT NULL,
    task text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    answer json NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_write_answers PRIMARY KEY (project, task, key)
);
ALTER TABLE write_answers ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE attempts (
    project text NOT NULL,
    task_id text NOT NULL,
    together integer DEFAULT 0 NOT NULL,
    alone integer DEFAULT 0 NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT pk_attempts PRIMARY KEY (project, task_id),
    CONSTRAINT ck_attempts_counted CHECK (together >= 0 AND alone >= 0)
);
ALTER TABLE attempts ALTER COLUMN project SET STATISTICS 0;

CREATE TABLE dead_letters (
    project text NOT NULL,
    task_id text NOT NULL,
    digest bytea NOT NULL,
    task text NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL,
    died_at timestamptz NOT NULL,
    queue text NOT NULL,
    headers json NOT NULL,
    body bytea NOT NULL,
    content_type text NOT NULL,
    content_encoding text NOT NULL,
    CONSTRAINT pk_dead_letters PRIMARY KEY (project, task_id, digest),
    CONSTRAINT ck_dead_letters_attempted CHECK (attempts > 0)
);
ALTER TABLE dead_letters ALTER COLUMN project SET STATISTICS 0;

-- Append-only tables: the database refuses to change or delete their rows

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON returned_places
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_discounts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice_reversals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_reversals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON usage_records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Foreign keys that are checked once for each statement, not once for each row

CREATE FUNCTION check_fk_redemptions_voucher_id() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added WHERE added.voucher_id IS NOT NULL AND (
                SELECT vouchers.id FROM vouchers
                WHERE vouchers.project = added.project AND vouchers.id = added.voucher_id
            ) IS NULL
        ) THEN
            RAISE EXCEPTION 'redemptions must refer to a row of vouchers that is there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fk_redemptions_voucher_id', TABLE = 'redemptions';
        END IF;
        RETURN NULL;
    END $$;

CREATE FUNCTION keep_fk_redemptions_voucher_id() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF (NEW.project, NEW.id) IS DISTINCT FROM (OLD.project, OLD.id)
           AND (current_setting('transaction_isolation') <> 'read committed'
                OR EXISTS (SELECT FROM redemptions WHERE project = OLD.project AND voucher_id = OLD.id)) THEN
            RAISE EXCEPTION 'vouchers must keep a row that redemptions may refer to'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'fk_redemptions_voucher_id', TABLE = 'redemptions';
        END IF;
        RETURN NULL;
    END $$;

CREATE TRIGGER fk_redemptions_voucher_id_inserted AFTER INSERT ON redemptions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fk_redemptions_voucher_id();
CREATE TRIGGER fk_redemptions_voucher_id_updated AFTER UPDATE ON redemptions REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fk_redemptions_voucher_id();
CREATE TRIGGER fk_redemptions_voucher_id AFTER DELETE OR UPDATE OF project, id ON vouchers
    FOR EACH ROW EXECUTE FUNCTION keep_fk_redemptions_voucher_id();

CREATE FUNCTION check_fk_usage_entries_invoice() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added WHERE added.invoice IS NOT NULL AND (
                SELECT invoice_discounts.invoice FROM invoice_discounts
                WHERE invoice_discounts.project = added.project AND invoice_discounts.invoice = added.invoice
            ) IS NULL
        ) THEN
            RAISE EXCEPTION 'usage_entries must refer to a row of invoice_discounts that is there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fk_usage_entries_invoice', TABLE = 'usage_entries';
        END IF;
        RETURN NULL;
    END $$;

CREATE FUNCTION keep_fk_usage_entries_invoice() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF (NEW.project, NEW.invoice) IS DISTINCT FROM (OLD.project, OLD.invoice)
           AND (current_setting('transaction_isolation') <> 'read committed'
                OR EXISTS (SELECT FROM usage_entries WHERE project = OLD.project AND invoice = OLD.invoice)) THEN
            RAISE EXCEPTION 'invoice_discounts must keep a row that usage_entries may refer to'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'fk_usage_entries_invoice', TABLE = 'usage_entries';
        END IF;
        RETURN NULL;
    END $$;

CREATE TRIGGER fk_usage_entries_invoice_inserted AFTER INSERT ON usage_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fk_usage_entries_invoice();
CREATE TRIGGER fk_usage_entries_invoice_updated AFTER UPDATE ON usage_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fk_usage_entries_invoice();
CREATE TRIGGER fk_usage_entries_invoice AFTER DELETE OR UPDATE OF project, invoice ON invoice_discounts
    FOR EACH ROW EXECUTE FUNCTION keep_fk_usage_entries_invoice();

CREATE FUNCTION check_fk_usage_entries_discount_id() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added WHERE added.discount_id IS NOT NULL AND (
                SELECT discounts.id FROM discounts
                WHERE discounts.project = added.project AND discounts.id = added.discount_id
            ) IS NULL
        ) THEN
            RAISE EXCEPTION 'usage_entries must refer to a row of discounts that is there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'fk_usage_entries_discount_id', TABLE = 'usage_entries';
        END IF;
        RETURN NULL;
    END $$;

CREATE FUNCTION keep_fk_usage_entries_discount_id() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
        IF (NEW.project, NEW.id) IS DISTINCT FROM (OLD.project, OLD.id)
           AND (current_setting('transaction_isolation') <> 'read committed'
                OR EXISTS (SELECT FROM usage_entries WHERE project = OLD.project AND discount_id = OLD.id)) THEN
            RAISE EXCEPTION 'discounts must keep a row that usage_entries may refer to'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'fk_usage_entries_discount_id', TABLE = 'usage_entries';
        END IF;
        RETURN NULL;
    END $$;

CREATE TRIGGER fk_usage_entries_discount_id_inserted AFTER INSERT ON usage_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fk_usage_entries_discount_id();
CREATE TRIGGER fk_usage_entries_discount_id_updated AFTER UPDATE ON usage_entries REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_fk_usage_entries_discount_id();
CREATE TRIGGER fk_usage_entries_discount_id AFTER DELETE OR UPDATE OF project, id ON discounts
    FOR EACH ROW EXECUTE FUNCTION keep_fk_usage_entries_discount_id();
