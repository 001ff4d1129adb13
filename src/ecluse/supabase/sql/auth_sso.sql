-- Single sign-on.

--: table auth.sso_providers
CREATE TABLE auth.sso_providers (
    id uuid PRIMARY KEY,
    resource_id text CONSTRAINT "resource_id not empty" CHECK (char_length(resource_id) > 0),
    created_at timestamptz,
    updated_at timestamptz,
    disabled boolean
);
CREATE UNIQUE INDEX sso_providers_resource_id_idx ON auth.sso_providers (lower(resource_id));
ALTER TABLE auth.sso_providers ENABLE ROW LEVEL SECURITY;

--: table auth.sso_domains
CREATE TABLE auth.sso_domains (
    id uuid PRIMARY KEY,
    sso_provider_id uuid NOT NULL REFERENCES auth.sso_providers ON DELETE CASCADE,
    domain text NOT NULL CONSTRAINT "domain not empty" CHECK (char_length(domain) > 0),
    created_at timestamptz,
    updated_at timestamptz
);
CREATE UNIQUE INDEX sso_domains_domain_idx ON auth.sso_domains (lower(domain));
CREATE INDEX sso_domains_sso_provider_id_idx ON auth.sso_domains (sso_provider_id);
ALTER TABLE auth.sso_domains ENABLE ROW LEVEL SECURITY;

--: table auth.saml_providers
CREATE TABLE auth.saml_providers (
    id uuid PRIMARY KEY,
    sso_provider_id uuid NOT NULL REFERENCES auth.sso_providers ON DELETE CASCADE,
    entity_id text NOT NULL UNIQUE CONSTRAINT "entity_id not empty" CHECK (char_length(entity_id) > 0),
    metadata_xml text NOT NULL CONSTRAINT "metadata_xml not empty" CHECK (char_length(metadata_xml) > 0),
    metadata_url text CONSTRAINT "metadata_url not empty" CHECK (char_length(metadata_url) > 0),
    attribute_mapping jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    name_id_format text
);
CREATE INDEX saml_providers_sso_provider_id_idx ON auth.saml_providers (sso_provider_id);
ALTER TABLE auth.saml_providers ENABLE ROW LEVEL SECURITY;

--: table auth.saml_relay_states
CREATE TABLE auth.saml_relay_states (
    id uuid PRIMARY KEY,
    sso_provider_id uuid NOT NULL REFERENCES auth.sso_providers ON DELETE CASCADE,
    request_id text NOT NULL CONSTRAINT "request_id not empty" CHECK (char_length(request_id) > 0),
    for_email text,
    redirect_to text,
    created_at timestamptz,
    updated_at timestamptz,
    flow_state_id uuid REFERENCES auth.flow_state ON DELETE CASCADE
);
CREATE INDEX saml_relay_states_sso_provider_id_idx ON auth.saml_relay_states (sso_provider_id);
CREATE INDEX saml_relay_states_for_email_idx ON auth.saml_relay_states (for_email);
CREATE INDEX saml_relay_states_created_at_idx ON auth.saml_relay_states (created_at DESC);
ALTER TABLE auth.saml_relay_states ENABLE ROW LEVEL SECURITY;
